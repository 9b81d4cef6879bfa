//! The GUID Partition Table, reader and writer.
//!
//! Specification: UEFI 2.10, chapter 5.3; types by the Discoverable Partitions Specification (UAPI.2).
//! A sector (LBA) has 512 or 4096 bytes; numbers are little-endian:
//!
//! ```text
//! LBA 0        protective MBR (see crate::mbr)
//! LBA 1        header: "EFI PART" u32 revision, size, CRC-32 of the header, 0; u64 its own LBA, LBA of the
//!              other header, first and last usable LBA; disk GUID; u64 LBA of the table; u32 number of
//!              entries, bytes of an entry, CRC-32 of the table
//! LBA 2 …      table, at least 16 KiB: type GUID, GUID, u64 first and last LBA, attributes, name (36 UTF-16)
//! …            partitions
//! last - 32 …  the table again
//! last         the header again, the two LBAs changed over
//! ```
//!
//! * [`Gpt`] reads both copies and takes the first that is whole; what is wrong with either is in
//!   [`Gpt::damage`].
//! * [`Table`] writes both copies into a [`Mosaic`](crate::Mosaic).
//! * [`kinds`] knows the types of partitions.
//!
//! Not supported: tables of more than [`MAX_TABLE`] bytes.

pub mod kinds;
mod reader;
mod writer;

use std::ops::Range;

pub use crate::guid::{Guid, GuidError};
pub use reader::{Damage, Gpt, GptError, Side};
pub use writer::{Table, TableError};

/// The most bytes of a table of partitions: 64 times what everybody writes. It bounds what is read into
/// memory because a header says so.
pub const MAX_TABLE: u64 = 1 << 20;

const SIGNATURE: &[u8; 8] = b"EFI PART";
const HEADER: usize = 92;
const ENTRY: usize = 128;
/// UTF-16 units of a name.
const NAME: usize = 36;

/// Bytes of a logical block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SectorSize {
    /// Almost every disk, and every virtual one.
    #[default]
    B512,
    /// Disks that are 4Kn.
    B4096,
}

impl SectorSize {
    /// The number.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::B512 => 512,
            Self::B4096 => 4096,
        }
    }
}

/// The bits of a partition's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub u64);

impl Attributes {
    /// Bit 0: the platform needs it.
    pub const REQUIRED: u64 = 1;
    /// Bit 2: a legacy BIOS may boot it.
    pub const LEGACY_BOOT: u64 = 1 << 2;
    /// Bit 59: its file system is grown to the partition's size when it is mounted (UAPI.2).
    pub const GROW: u64 = 1 << 59;
    /// Bit 60: mounted read-only (UAPI.2).
    pub const READ_ONLY: u64 = 1 << 60;
    /// Bit 63: not mounted by discovery (UAPI.2).
    pub const NO_AUTO: u64 = 1 << 63;

    /// Whether all of these bits are set.
    pub fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }
}

/// One entry of the table that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its place in the table, from 1: the `2` of `sda2`.
    pub number: u32,
    /// What it is for.
    pub kind: Guid,
    /// Its own name, `PARTUUID`.
    pub guid: Guid,
    /// Its bytes on the disk.
    pub range: Range<u64>,
    /// Its attributes.
    pub attributes: Attributes,
    /// What people call it.
    pub name: String,
}
