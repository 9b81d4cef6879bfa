//! NTFS.
//!
//! Specification: "NTFS Documentation" of the Linux-NTFS project. Boot sector, little-endian:
//!
//! ```text
//! 3 "NTFS    "   11 bytes per sector u16   13 sectors per cluster u8   40 sectors u64   48 cluster of $MFT u64
//! 64 clusters per file record i8 (negative: 2^-n bytes)   72 serial number u64
//! ```
//!
//! The label is attribute 0x60 of file record 3 (`$Volume`).

use std::io;

use crate::bytes::{Bytes, printable, read};
use crate::node::Node;
use crate::source::Source;

/// File records have 1024 or 4096 bytes.
const MAX_RECORD: u64 = 4096;

/// The most attributes of a record that are looked at: `$Volume` has some six.
const MAX_ATTRIBUTES: usize = 32;

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let boot = read(source, 0, 512)?;
    if !boot.has(3, b"NTFS    ") {
        return Ok(None);
    }
    let fields = (boot.le16(11), boot.u8(13), boot.le64(40), boot.le64(72));
    let (Some(sector), Some(per_cluster), Some(sectors), Some(serial)) = fields else { return Ok(None) };
    let cluster = u64::from(sector) * u64::from(per_cluster);
    let mut node = Node::new("ntfs", "NTFS file system", source.size());
    node.text("label", label(source, &boot, cluster)?).text("serial", format!("{serial:016X}"));
    super::filled(&mut node, sectors.saturating_mul(sector.into()), source);
    node.bytes("cluster size", cluster);
    node.needs("Windows, or a kernel with NTFS (CONFIG_NTFS3_FS)");
    Ok(Some(node))
}

/// The label; empty when there is none or the record is not where it should be.
fn label(source: &Source, boot: &Bytes, cluster: u64) -> io::Result<String> {
    let size = match boot.u8(64) {
        Some(exponent @ 128..) => 1_u64.checked_shl(256 - u32::from(exponent)).unwrap_or(0),
        Some(clusters) => cluster * u64::from(clusters),
        None => 0,
    };
    let start = boot.le64(48).and_then(|at| at.checked_mul(cluster)).and_then(|at| at.checked_add(3 * size));
    let Some(start) = start.filter(|_| (512..=MAX_RECORD).contains(&size)) else { return Ok(String::new()) };
    let record = read(source, start, size as usize)?;
    if !record.has(0, b"FILE") {
        return Ok(String::new());
    }
    Ok(volume_name(&record).unwrap_or_default())
}

fn volume_name(record: &Bytes) -> Option<String> {
    let mut at = usize::from(record.le16(20)?);
    for _ in 0..MAX_ATTRIBUTES {
        let (kind, length) = (record.le32(at)?, record.le32(at + 4)? as usize);
        if kind == 0x60 && record.u8(at + 8)? == 0 {
            let (size, offset) = (record.le32(at + 16)? as usize, usize::from(record.le16(at + 20)?));
            let text = record.slice(at.checked_add(offset)?, size)?;
            let units: Vec<u16> =
                text.chunks_exact(2).filter_map(|pair| Bytes(pair.to_vec()).le16(0)).collect();
            return Some(printable(String::from_utf16_lossy(&units).as_bytes()));
        }
        if kind == u32::MAX || length == 0 {
            return None;
        }
        at = at.checked_add(length)?;
    }
    None
}
