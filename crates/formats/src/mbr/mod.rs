//! The master boot record: plain, protective and hybrid, with logical partitions.
//!
//! Specification: UEFI 2.10, chapter 5.2; logical partitions as Linux and every tool writes them. Numbers
//! are little-endian; a sector has 512 bytes, on 4Kn disks 4096:
//!
//! ```text
//! 0    boot code, 440 bytes
//! 440  u32 disk signature, u16 0
//! 446  4 entries of 16 bytes: u8 0x80 when active, CHS of the first sector, u8 type, CHS of the last,
//!      u32 first LBA, u32 sectors
//! 510  55 aa
//! ```
//!
//! An entry of type 05, 0f or 85 is an extended partition: a chain of such sectors, each with a logical
//! partition (LBA from that sector on) and a link to the next (LBA from the extended partition on).
//! A *protective* record covers a GPT disk with one entry of type ee; a *hybrid* one has others beside it.
//!
//! Not supported: disk addresses by cylinder, head and sector; they are written as "too large".

mod reader;
mod writer;

use std::ops::Range;

pub use reader::{Mbr, MbrError, Scheme};
pub use writer::{Entry, Record, RecordError};

/// The most logical partitions: a chain that is longer is a damaged one. Linux takes at most 256.
pub const MAX_LOGICAL: usize = 256;

/// Types of partitions that have a meaning here.
pub mod types {
    /// Extended, by CHS.
    pub const EXTENDED: u8 = 0x05;
    /// FAT32, by LBA.
    pub const FAT32: u8 = 0x0c;
    /// Extended, by LBA.
    pub const EXTENDED_LBA: u8 = 0x0f;
    /// Linux swap.
    pub const SWAP: u8 = 0x82;
    /// Any file system of Linux.
    pub const LINUX: u8 = 0x83;
    /// Extended, as Linux alone knows it.
    pub const LINUX_EXTENDED: u8 = 0x85;
    /// What a GPT protects itself with.
    pub const PROTECTIVE: u8 = 0xee;
    /// EFI system partition.
    pub const ESP: u8 = 0xef;

    /// What a type is called, when it is known here.
    pub fn name(kind: u8) -> Option<&'static str> {
        Some(match kind {
            0x01 | 0x11 => "FAT12",
            0x04 | 0x06 | 0x0e | 0x14 | 0x16 | 0x1e => "FAT16",
            EXTENDED | EXTENDED_LBA | LINUX_EXTENDED => "extended",
            0x07 | 0x17 => "NTFS or exFAT",
            0x0b | FAT32 | 0x1b | 0x1c => "FAT32",
            0x27 => "Windows recovery",
            SWAP => "swap",
            LINUX => "Linux",
            0x8e => "LVM",
            0xa5 => "FreeBSD",
            0xa6 => "OpenBSD",
            0xcd => "ISO 9660",
            PROTECTIVE => "GPT",
            ESP => "EFI system partition",
            0xfd => "RAID",
            _ => return None,
        })
    }
}

/// One partition of a record or of its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MbrPartition {
    /// Its number as Linux counts: 1 to 4 for the record's own entries, logical ones from 5 on.
    pub number: u32,
    /// Its type.
    pub kind: u8,
    /// Whether a BIOS boots it.
    pub active: bool,
    /// Its bytes on the disk.
    pub range: Range<u64>,
}

fn is_extended(kind: u8) -> bool {
    matches!(kind, types::EXTENDED | types::EXTENDED_LBA | types::LINUX_EXTENDED)
}
