//! Directories: blocks of sorted entries, each followed by the names of that block.
//!
//! ```text
//! block:  dirent … dirent │ name … name      dirent: nid u64, nameoff u16, file_type u8, reserved u8
//! ```

use super::error::{Result, damaged};
use super::{Inode, Kind, MAX_DIRECTORY, Volume};
use crate::erofs::disk::DIRENT;
use crate::fields::{u16_le, u64_le};

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name: not empty, without `/` and NUL.
    pub name: Vec<u8>,
    /// The number of its inode.
    pub nid: u64,
}

pub(super) fn entries(volume: &Volume, directory: &Inode) -> Result<Vec<Entry>> {
    if directory.kind != Kind::Directory {
        return Err(damaged(format!("inode {} is no directory", directory.nid), directory.offset));
    }
    if directory.size > MAX_DIRECTORY {
        let problem = format!("a directory of {} bytes, more than {MAX_DIRECTORY},", directory.size);
        return Err(damaged(problem, directory.offset));
    }
    let bytes = volume.content(directory, directory.size)?;
    let mut entries = Vec::new();
    for (number, block) in bytes.chunks(volume.block_size() as usize).enumerate() {
        read_block(block, &mut entries).ok_or_else(|| {
            let problem =
                format!("block {number} of directory {} has broken entries: its inode is", directory.nid);
            damaged(problem, directory.offset)
        })?;
    }
    Ok(entries)
}

/// The entries of a block; `None` when one points out of it.
fn read_block(block: &[u8], entries: &mut Vec<Entry>) -> Option<()> {
    // The first name begins behind the last entry.
    let first = usize::from(u16_le(block, 8)?);
    if first < DIRENT || first % DIRENT != 0 || first > block.len() {
        return None;
    }
    for at in (0..first).step_by(DIRENT) {
        let start = usize::from(u16_le(block, at + 8)?);
        let next = at + DIRENT;
        let end = if next < first { usize::from(u16_le(block, next + 8)?) } else { block.len() };
        let name = block.get(start..end)?;
        // Behind the last one there may be NULs up to the end of the block.
        let name = name.split(|byte| *byte == 0).next().filter(|name| !name.is_empty())?;
        if start < first || name.contains(&b'/') {
            return None;
        }
        if name != b"." && name != b".." {
            entries.push(Entry { name: name.to_vec(), nid: u64_le(block, at)? });
        }
    }
    Some(())
}
