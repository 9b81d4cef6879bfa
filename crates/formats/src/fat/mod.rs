//! FAT12, FAT16 and FAT32 with long names: the file system of EFI system partitions and sticks.
//!
//! Specification: Microsoft's "FAT32 File System Specification" 1.03; UEFI 2.10, chapter 13.3. All numbers
//! little-endian; sectors of 512 to 4096 bytes:
//!
//! ```text
//! reserved   boot sector with the parameters (BPB); FAT32: FSInfo in sector 1, a copy of both from 6 on
//! FATs       for each cluster 12, 16 or 28 bits: the next one of its file, 0 free, the largest values end
//! root       FAT12 and FAT16 only: a fixed number of directory entries
//! data       clusters, counted from 2
//! ```
//!
//! The number of clusters alone says which FAT it is: below 4085 FAT12, below 65525 FAT16, else FAT32.
//! A directory is a row of 32-byte entries; those of a long name stand in front of the entry of the short
//! one, last part first.
//!
//! * [`Plan`] lays a volume out and gives it as a [`Mosaic`](crate::Mosaic). Every file lies in one piece, on a
//!   multiple of [`ALIGNMENT`], so that an ISO can point at it where it lies. The same plan gives the same
//!   bytes.
//! * [`Fat`] reads directories, and files as a [`ReadAt`](crate::ReadAt).
//!
//! Not supported: exFAT; short names in another code page than ASCII (they are read byte by byte); empty space
//! is not searched for deleted files.

mod date;
mod directory;
mod names;
mod reader;
mod writer;

pub use directory::Entry;
pub use reader::{Fat, FatError};
pub use writer::{NewFile, Plan, Volume, WriteError};

/// Files of a volume that we write begin on a multiple of this, from the volume's start, in bytes.
pub const ALIGNMENT: u64 = 4096;

/// The most bytes of a directory that are read: the specification's own limit, 65536 entries.
pub const MAX_DIRECTORY: u64 = 65536 * 32;

/// The deepest directory that [`Fat::walk`] enters. Paths of Windows have at most 260 characters.
pub const MAX_DEPTH: usize = 130;

/// Which FAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 12 bits for each cluster.
    Fat12,
    /// 16 bits.
    Fat16,
    /// 32 bits, of which 28 are used.
    Fat32,
}

impl Width {
    /// The one that a volume of so many clusters has.
    pub fn of(clusters: u64) -> Self {
        match clusters {
            0..4085 => Self::Fat12,
            4085..65525 => Self::Fat16,
            _ => Self::Fat32,
        }
    }

    /// Where the entry of a cluster lies in the table, in bytes; of FAT12 the first of the two that it shares.
    fn entry_at(self, cluster: u64) -> u64 {
        match self {
            Self::Fat12 => cluster * 3 / 2,
            Self::Fat16 => cluster * 2,
            Self::Fat32 => cluster * 4,
        }
    }

    /// Bytes of a table for that many clusters.
    fn table_bytes(self, clusters: u64) -> u64 {
        // Two entries in front stand for no cluster; the last one of FAT12 may end in half a byte.
        self.entry_at(clusters + 2) + u64::from(self == Self::Fat12)
    }

    /// From this value on an entry ends its chain.
    fn end(self) -> u32 {
        match self {
            Self::Fat12 => 0xff8,
            Self::Fat16 => 0xfff8,
            Self::Fat32 => 0x0fff_fff8,
        }
    }
}

impl std::fmt::Display for Width {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
        })
    }
}

mod attributes {
    pub const LABEL: u8 = 0x08;
    pub const DIRECTORY: u8 = 0x10;
    pub const ARCHIVE: u8 = 0x20;
    pub const LONG_NAME: u8 = 0x0f;
}
