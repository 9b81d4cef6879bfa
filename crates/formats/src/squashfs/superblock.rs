//! The superblock.
//!
//! ```text
//! 0 "hsqs"   12 block_size u32   16 fragments u32   20 compression u16   28 s_major u16   30 s_minor u16
//! 32 root_inode u64   64 inode_table u64   72 directory_table u64   80 fragment_table u64
//! ```

use super::error::{Error, Result, damaged};
use crate::fields::{u16_le, u32_le, u64_le};
use crate::{ReadAt, Shared};

/// Bytes of the superblock.
const SIZE: usize = 96;

/// What data is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compressor {
    /// zlib streams.
    Gzip,
    /// xz streams.
    Xz,
    /// LZ4 blocks.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

/// What a superblock says.
#[derive(Debug, Clone)]
pub struct Superblock {
    /// What data, inodes and directories are compressed with.
    pub compressor: Compressor,
    /// Bytes of a block of data: a power of two from 4 KiB to 1 MiB.
    pub block_size: u32,
    pub(super) root: u64,
    pub(super) fragments: u32,
    pub(super) inode_table: u64,
    pub(super) directory_table: u64,
    pub(super) fragment_table: u64,
}

impl Superblock {
    pub(super) fn read(image: &Shared) -> Result<Self> {
        let mut bytes = vec![0; usize::try_from(image.size()).unwrap_or(SIZE).min(SIZE)];
        image.read_exact_at(0, &mut bytes).map_err(|source| Error::Read { offset: 0, source })?;
        if !bytes.starts_with(b"hsqs") {
            return Err(Error::Absent);
        }
        if bytes.len() < SIZE {
            return Err(damaged("the superblock is cut off", 0));
        }
        let half = |offset| u16_le(&bytes, offset).unwrap_or(0);
        let word = |offset| u32_le(&bytes, offset).unwrap_or(0);
        let long = |offset| u64_le(&bytes, offset).unwrap_or(0);
        if (half(28), half(30)) != (4, 0) {
            let what = format!("version {}.{}", half(28), half(30));
            return Err(Error::Unsupported { what, offset: 28 });
        }
        let block_size = word(12);
        if !block_size.is_power_of_two() || !(4096..=1 << 20).contains(&block_size) {
            return Err(damaged(format!("blocks of {block_size} bytes"), 12));
        }
        Ok(Self {
            compressor: compressor(half(20))?,
            block_size,
            root: long(32),
            fragments: word(16),
            inode_table: long(64),
            directory_table: long(72),
            fragment_table: long(80),
        })
    }
}

fn compressor(number: u16) -> Result<Compressor> {
    match number {
        1 => Ok(Compressor::Gzip),
        4 => Ok(Compressor::Xz),
        5 => Ok(Compressor::Lz4),
        6 => Ok(Compressor::Zstd),
        2 => Err(Error::Unsupported { what: "LZMA".to_owned(), offset: 20 }),
        3 => Err(Error::Unsupported { what: "LZO".to_owned(), offset: 20 }),
        _ => Err(Error::Unsupported { what: format!("compressor {number}"), offset: 20 }),
    }
}
