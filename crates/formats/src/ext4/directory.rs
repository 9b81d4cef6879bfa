//! Directories: entries one after the other in each block. The nodes of a hash tree (`dir_index`) look like
//! entries without an inode, so that going through all blocks finds every name.
//!
//! ```text
//! 0 inode u32   4 rec_len u16   6 name_len u8   7 type u8   8 name
//! ```

use super::{Ext4, Ext4Error, Inode, Kind, read};
use crate::fields::{u8_at, u16_le, u32_le};

/// The largest directory that is listed, in bytes: some 500 000 names.
pub const MAX_DIRECTORY: u64 = 16 << 20;

/// Bytes of an entry before its name.
const HEAD: usize = 8;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Vec<u8>,
    /// The inode that it names.
    pub inode: u32,
}

impl Ext4 {
    /// The names in a directory, without `.` and `..`, as they lie there.
    ///
    /// # Errors
    /// When it is no directory, has more than [`MAX_DIRECTORY`] bytes, or an entry is damaged.
    pub fn entries(&self, directory: &Inode) -> Result<Vec<Entry>, Ext4Error> {
        if directory.kind != Kind::Directory || directory.size > MAX_DIRECTORY {
            return Err(directory.broken(format!("a directory of {} bytes", directory.size)));
        }
        let content = self.content(directory)?;
        let unit = self.superblock.block_size;
        let mut block = vec![0; unit as usize];
        let mut entries = Vec::new();
        for start in (0..directory.size).step_by(block.len()) {
            let length = usize::try_from(directory.size - start).unwrap_or(usize::MAX).min(block.len());
            let block = block.get_mut(..length).unwrap_or_default();
            read(&content, start, block)?;
            walk(block, &mut entries).map_err(|at| {
                directory
                    .broken(format!("the entry at byte {} of this directory is damaged", start + at as u64))
            })?;
        }
        Ok(entries)
    }

    /// The inode of that name in a directory.
    ///
    /// # Errors
    /// As [`entries`](Self::entries).
    pub fn lookup(&self, directory: &Inode, name: &[u8]) -> Result<Option<Inode>, Ext4Error> {
        let entries = self.entries(directory)?;
        let found = entries.iter().find(|entry| entry.name == name);
        found.map(|entry| self.inode(entry.inode)).transpose()
    }
}

/// Takes the entries of a block; the error is where one is damaged.
fn walk(block: &[u8], entries: &mut Vec<Entry>) -> Result<(), usize> {
    let mut at = 0;
    while at < block.len() {
        let rest = block.get(at..).unwrap_or_default();
        let fields = (u32_le(rest, 0), u16_le(rest, 4), u8_at(rest, 6));
        let (Some(inode), Some(length), Some(name)) = fields else { return Err(at) };
        // Blocks of 64 KiB do not fit into the field.
        let length =
            if matches!(length, 0 | 0xffff) && block.len() == 1 << 16 { 1 << 16 } else { length.into() };
        let name = rest.get(HEAD..HEAD + usize::from(name)).ok_or(at)?;
        if length < HEAD + name.len() || length > rest.len() || !length.is_multiple_of(4) {
            return Err(at);
        }
        if inode != 0 && !matches!(name, b"" | b"." | b"..") {
            entries.push(Entry { name: name.to_vec(), inode });
        }
        at += length;
    }
    Ok(())
}
