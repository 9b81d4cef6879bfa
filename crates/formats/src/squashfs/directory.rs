//! Directories: runs of entries whose inodes lie in one piece.
//!
//! ```text
//! run:    0 count - 1 u32   4 piece of the inodes u32   8 number u32 │ entries
//! entry:  0 byte in the piece u16   2 number i16   4 type u16   6 length - 1 u16 │ name
//! ```

use super::Volume;
use super::error::{Result, damaged};
use super::inode::{Inode, Kind};
use super::metadata::Cursor;
use crate::fields::{u16_le, u32_le};

/// The most bytes of one directory that are read: some 500 000 entries. They are held in memory.
const MAX_DIRECTORY: u64 = 16 << 20;
/// `SQUASHFS_DIR_COUNT`: the most entries of a run.
const MAX_RUN: u32 = 256;
/// `SQUASHFS_NAME_LEN`.
const MAX_NAME: usize = 256;
const RUN: usize = 12;
const ENTRY: usize = 8;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Vec<u8>,
    /// Where the inode is.
    pub inode: u64,
}

pub(super) fn entries(volume: &Volume, directory: &Inode) -> Result<Vec<Entry>> {
    let piece = volume.superblock.directory_table.saturating_add(directory.start);
    if directory.kind != Kind::Directory || directory.size > MAX_DIRECTORY {
        return Err(damaged(format!("a directory of {} bytes", directory.size), piece));
    }
    let mut cursor = Cursor::new(volume, piece, directory.offset as usize);
    let mut left = directory.size as usize;
    let mut take = |length: usize| {
        left = left
            .checked_sub(length)
            .ok_or_else(|| damaged("a directory whose entries are cut off", piece))?;
        let bytes = cursor.take(length)?;
        Ok((bytes, left))
    };
    let mut found = Vec::new();
    let mut more = directory.size > 0;
    while more {
        let (run, _) = take(RUN)?;
        let (count, start) = (u32_le(&run, 0).unwrap_or(0), u32_le(&run, 4).unwrap_or(0));
        if count >= MAX_RUN {
            return Err(damaged(format!("a run of {count} entries"), piece));
        }
        for _ in 0..=count {
            let (entry, _) = take(ENTRY)?;
            let length = usize::from(u16_le(&entry, 6).unwrap_or(0)) + 1;
            if length > MAX_NAME {
                return Err(damaged(format!("a name of {length} bytes"), piece));
            }
            let (name, left) = take(length)?;
            let within = u16_le(&entry, 0).unwrap_or(0);
            found.push(Entry { name, inode: u64::from(start) << 16 | u64::from(within) });
            more = left > 0;
        }
    }
    Ok(found)
}
