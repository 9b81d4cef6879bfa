//! `struct ext4_inode`.
//!
//! ```text
//! 0 i_mode u16   4 i_size_lo   32 i_flags   40 i_block[60]   108 i_size_high
//! descriptor: 8 bg_inode_table_lo   40 bg_inode_table_hi
//! ```

use super::{Ext4, Ext4Error, read};
use crate::fields::{bytes_at, u16_le, u32_le};

/// The inode of the directory at the top.
pub(super) const ROOT: u32 = 2;

const ENCRYPTED: u32 = 0x800;
const EXTENTS: u32 = 0x8_0000;
const INLINE: u32 = 0x1000_0000;

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, pipe or socket.
    Other,
}

/// A file, directory or another thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    /// Its number.
    pub number: u32,
    /// What it is.
    pub kind: Kind,
    /// Bytes of content.
    pub size: u64,
    flags: u32,
    /// How its blocks are found, or a short target.
    pub(super) map: [u8; 60],
    /// Where it is on the disk, in bytes.
    pub(super) offset: u64,
}

impl Ext4 {
    /// Reads an inode by its number.
    ///
    /// # Errors
    /// When there is no such inode, or reading fails.
    pub fn inode(&self, number: u32) -> Result<Inode, Ext4Error> {
        let superblock = &self.superblock;
        let (group, index) = superblock.group_of(number).ok_or_else(|| {
            let what = format!("inode {number} of {} is named", superblock.inodes);
            Ext4Error::Broken { offset: super::superblock::OFFSET, what }
        })?;
        let at = superblock.descriptor_at(group);
        let mut descriptor = [0; 64];
        let used = if superblock.is_64_bit() { 64 } else { 32 };
        read(&*self.source, at, descriptor.get_mut(..used).unwrap_or_default())?;
        let word = |at| u32_le(&descriptor, at).unwrap_or(0);
        let table = u64::from(word(40)) << 32 | u64::from(word(8));
        if table == 0 || table >= superblock.blocks {
            let what = format!("group {group} has its inode table at block {table}");
            return Err(Ext4Error::Broken { offset: at + 8, what });
        }
        let within = u64::from(index) * u64::from(superblock.inode_size);
        let offset = table.saturating_mul(superblock.block_size).saturating_add(within);
        let mut bytes = [0; 128];
        read(&*self.source, offset, &mut bytes)?;
        Ok(Inode::parse(&bytes, number, offset))
    }
}

impl Inode {
    fn parse(bytes: &[u8; 128], number: u32, offset: u64) -> Self {
        let kind = match u16_le(bytes, 0).unwrap_or(0) >> 12 {
            8 => Kind::File,
            4 => Kind::Directory,
            10 => Kind::Symlink,
            _ => Kind::Other,
        };
        // Other things keep something else in the upper half.
        let high = if matches!(kind, Kind::File | Kind::Directory) { u32_le(bytes, 108) } else { None };
        let low = u32_le(bytes, 4).unwrap_or(0);
        Self {
            number,
            kind,
            size: u64::from(high.unwrap_or(0)) << 32 | u64::from(low),
            flags: u32_le(bytes, 32).unwrap_or(0),
            map: bytes_at(bytes, 40).unwrap_or([0; 60]),
            offset,
        }
    }

    /// Whether its blocks are found by extents, not by lists of blocks.
    pub(super) fn has_extents(&self) -> bool {
        self.flags & EXTENTS != 0
    }

    /// A target that takes the place of the map.
    pub(super) fn short_target(&self) -> Option<&[u8]> {
        let length = usize::try_from(self.size).ok().filter(|length| *length < self.map.len())?;
        self.map.get(..length).filter(|_| self.flags & (EXTENTS | INLINE | ENCRYPTED) == 0)
    }

    /// Whether its content lies in blocks and is not encrypted.
    pub(super) fn readable(&self) -> Result<(), Ext4Error> {
        let what = match self.flags {
            flags if flags & INLINE != 0 => "inline data",
            flags if flags & ENCRYPTED != 0 && self.kind != Kind::Directory => "encryption",
            _ => return Ok(()),
        };
        Err(Ext4Error::Unsupported(format!("{what} (inode {})", self.number)))
    }

    /// A fault of this inode.
    pub(super) fn broken(&self, what: String) -> Ext4Error {
        Ext4Error::Broken { offset: self.offset, what: format!("inode {}: {what}", self.number) }
    }
}
