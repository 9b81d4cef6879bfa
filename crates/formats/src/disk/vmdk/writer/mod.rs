//! The writers: grains of 64 KiB, grain tables of 512 entries.

mod sparse;
mod stream;

pub use sparse::write_sparse;
pub use stream::write_stream;

use super::super::sink::Options;
use super::super::{Format, SECTOR};
use crate::fields::put;

/// Sectors in a grain.
const GRAIN_SECTORS: u64 = 128;
const GRAIN: u64 = GRAIN_SECTORS * SECTOR;
/// Entries of a grain table.
const TABLE_ENTRIES: u64 = 512;
/// Sectors of a grain table.
const TABLE_SECTORS: u64 = TABLE_ENTRIES * 4 / SECTOR;
/// Where the descriptor is, and how long, in sectors.
const DESCRIPTOR_AT: u64 = 1;
const DESCRIPTOR_SECTORS: u64 = 20;

/// Sectors are counted in 32 bits.
const MAX_SIZE: u64 = (u32::MAX as u64 - 65536) * SECTOR;

/// What a descriptor says beside the size.
#[derive(Debug, Clone)]
pub struct Description {
    /// The file's own name, which the descriptor repeats.
    pub name: String,
    /// `ddb.adapterType`: `lsilogic`, `ide`.
    pub adapter: &'static str,
    /// `ddb.virtualHWVersion`: 10 is ESXi 5.5, 13 is ESXi 6.5.
    pub hardware_version: u32,
}

impl Description {
    /// On a SCSI adapter, for ESXi 5.5 and later.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), adapter: "lsilogic", hardware_version: 10 }
    }
}

fn descriptor(size: u64, create_type: &str, description: &Description, options: &Options) -> Vec<u8> {
    let sectors = size / SECTOR;
    let uuid = options.uuid("vmdk");
    let [a, b, c, d, ..] = uuid.ordered();
    // All ones stands for no parent, and QEMU takes this one for unchanged.
    let cid = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
    // The geometry that VMware gives to disks on SCSI.
    let cylinders = (sectors / (255 * 63)).min(65535);
    let bytes: String = uuid
        .ordered()
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            let separator = match at {
                0 => "",
                8 => "-",
                _ => " ",
            };
            format!("{separator}{byte:02x}")
        })
        .collect();
    let name = description.name.replace(['"', '\n', '\r', '\0'], "_");
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nCID={cid:08x}\nparentCID=ffffffff\ncreateType=\"{create_type}\"\n\n\
         # Extent description\nRW {sectors} SPARSE \"{name}\"\n\n\
         # The Disk Data Base\n#DDB\n\n\
         ddb.adapterType = \"{}\"\nddb.geometry.cylinders = \"{cylinders}\"\nddb.geometry.heads = \"255\"\n\
         ddb.geometry.sectors = \"63\"\nddb.uuid = \"{bytes}\"\nddb.virtualHWVersion = \"{}\"\n",
        description.adapter, description.hardware_version
    );
    let mut bytes = text.into_bytes();
    bytes.resize((DESCRIPTOR_SECTORS * SECTOR) as usize, 0);
    bytes
}

/// What differs between the headers.
struct HeaderFields {
    version: u32,
    flags: u32,
    capacity: u64,
    descriptor: (u64, u64),
    rgd_offset: u64,
    gd_offset: u64,
    overhead: u64,
    algorithm: u16,
}

fn header(fields: &HeaderFields) -> Vec<u8> {
    let mut header = vec![0; SECTOR as usize];
    put(&mut header, 0, b"KDMV");
    put(&mut header, 4, &fields.version.to_le_bytes());
    put(&mut header, 8, &fields.flags.to_le_bytes());
    put(&mut header, 12, &fields.capacity.to_le_bytes());
    put(&mut header, 20, &GRAIN_SECTORS.to_le_bytes());
    put(&mut header, 28, &fields.descriptor.0.to_le_bytes());
    put(&mut header, 36, &fields.descriptor.1.to_le_bytes());
    put(&mut header, 44, &(TABLE_ENTRIES as u32).to_le_bytes());
    put(&mut header, 48, &fields.rgd_offset.to_le_bytes());
    put(&mut header, 56, &fields.gd_offset.to_le_bytes());
    put(&mut header, 64, &fields.overhead.to_le_bytes());
    put(&mut header, 73, b"\n \r\n");
    put(&mut header, 77, &fields.algorithm.to_le_bytes());
    header
}

fn size_of(source: &dyn crate::ReadAt) -> std::io::Result<u64> {
    super::super::sink::whole_sectors(Format::Vmdk, source, MAX_SIZE)
}
