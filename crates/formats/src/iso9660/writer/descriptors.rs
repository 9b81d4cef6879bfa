//! Volume descriptors (ECMA-119, 8; Joliet; El Torito 1.0, figure 7).

use super::super::date;
use super::{SECTOR, both16, both32};
use crate::fields::put;

/// What the descriptor of a tree says of it.
pub(super) struct Root {
    /// The entry of its root directory.
    pub record: Vec<u8>,
    /// Bytes of its path table.
    pub path_table: u32,
    /// Sector of the table in little-endian order.
    pub little: u32,
    /// Sector of the table in big-endian order.
    pub big: u32,
}

/// Primary, boot record when there is a catalogue, supplementary and end.
pub(super) fn all(
    volume_id: &str,
    sectors: u32,
    epoch: u64,
    roots: &[Root],
    catalogue: Option<u32>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, root) in roots.iter().enumerate() {
        bytes.extend(volume(volume_id, sectors, epoch, root, number == 1));
        if let (0, Some(catalogue)) = (number, catalogue) {
            bytes.extend(boot_record(catalogue));
        }
    }
    bytes.extend(descriptor(255));
    bytes
}

fn descriptor(kind: u8) -> Vec<u8> {
    let mut bytes = vec![0; SECTOR as usize];
    put(&mut bytes, 0, &[kind]);
    put(&mut bytes, 1, b"CD001\x01");
    bytes
}

fn volume(volume_id: &str, sectors: u32, epoch: u64, root: &Root, joliet: bool) -> Vec<u8> {
    let text = |value: &str, length: usize| -> Vec<u8> {
        if joliet {
            value
                .encode_utf16()
                .chain(std::iter::repeat(0x20))
                .flat_map(u16::to_be_bytes)
                .take(length)
                .collect()
        } else {
            value.bytes().chain(std::iter::repeat(b' ')).take(length).collect()
        }
    };
    let mut bytes = descriptor(if joliet { 2 } else { 1 });
    let mut at = |offset: usize, value: &[u8]| put(&mut bytes, offset, value);
    at(8, &text("", 32));
    at(40, &text(volume_id, 32));
    at(80, &both32(sectors));
    if joliet {
        // UCS-2 level 3.
        at(88, b"%/E");
    }
    at(120, &both16(1));
    at(124, &both16(1));
    at(128, &both16(SECTOR as u16));
    at(132, &both32(root.path_table));
    at(140, &root.little.to_le_bytes());
    at(148, &root.big.to_be_bytes());
    at(156, &root.record);
    for (offset, length, value) in [
        (190, 128, ""),
        (318, 128, ""),
        (446, 128, ""),
        (574, 128, "BOOTWRIGHT"),
        (702, 37, ""),
        (739, 37, ""),
        (776, 37, ""),
    ] {
        at(offset, &text(value, length));
    }
    // Created and modified then; expires never, in effect at once.
    at(813, &date::long(epoch));
    at(830, &date::long(epoch));
    at(847, b"0000000000000000\0");
    at(864, b"0000000000000000\0");
    at(881, &[1]);
    bytes
}

fn boot_record(catalogue: u32) -> Vec<u8> {
    let mut bytes = descriptor(0);
    put(&mut bytes, 7, b"EL TORITO SPECIFICATION");
    put(&mut bytes, 71, &catalogue.to_le_bytes());
    bytes
}
