//! ISO 9660 with Rock Ridge, Joliet and El Torito, as a hybrid that boots from CD and from a stick.
//!
//! Specifications: ECMA-119 (ISO 9660), SUSP and RRIP 1.10 (Rock Ridge), Joliet, El Torito 1.0, UEFI 2.10
//! chapter 13.3.2. Sectors have 2048 bytes; most numbers are there twice, little-endian and big-endian:
//!
//! ```text
//! 0      system area, 32 KiB: on a hybrid an MBR and a GPT in units of 512 bytes
//! 16     volume descriptors: primary, boot record (El Torito), supplementary (Joliet), end
//! …      boot catalogue; path tables; directories, once with the names of ISO 9660 and Rock Ridge and once
//!        with those of Joliet; what Rock Ridge had no room for in a directory
//! …      files, each in one piece
//! end    padding, with the backup GPT in its last 33 units
//! ```
//!
//! A directory entry says where its file begins and how long it is, and nothing forbids that it points into
//! another one: so kernel and initrd are ranges of the one UKI, and the UKI a range of the EFI system
//! partition ([`Content::Part`]). Nothing is stored twice.
//!
//! * [`Plan`] lays an image out and gives it as a [`Mosaic`](crate::Mosaic).
//! * [`Iso`] reads directories, files and the boot catalogue.
//!
//! Not supported: interleaved files and extended attributes of ISO 9660 itself; more than one volume or
//! session; directories deeper than eight when writing (ISO 9660's limit); UDF is recognised, not read.

mod date;
mod reader;
mod writer;

pub use reader::{BootEntry, Entry, Iso, IsoError, Kind, Platform};
pub use writer::{
    BiosBoot, Boot, BootInfo, Content, Hybrid, HybridPartition, Image, NewEntry, Plan, WriteError,
};

/// Bytes of a sector.
pub const SECTOR: u64 = 2048;

/// The most bytes of one directory that are read: some 60 000 entries. It bounds what is held in memory
/// because an entry says so.
pub const MAX_DIRECTORY: u64 = 8 << 20;

/// The deepest directory that [`Iso::walk`] enters.
pub const MAX_DEPTH: usize = 64;

/// Bytes before the first volume descriptor.
const SYSTEM_AREA: u64 = 16 * SECTOR;

/// Bits of a directory entry's flags.
mod flags {
    pub const DIRECTORY: u8 = 0x02;
    pub const MORE_EXTENTS: u8 = 0x80;
}
