//! `struct ext4_super_block`, 1024 bytes at byte 1024.
//!
//! ```text
//! 0x00 s_inodes_count   0x04 s_blocks_count_lo   0x14 s_first_data_block   0x18 s_log_block_size
//! 0x20 s_blocks_per_group   0x28 s_inodes_per_group   0x38 s_magic 0xef53   0x3a s_state   0x4c s_rev_level
//! 0x58 s_inode_size   0x5c s_feature_compat   0x60 s_feature_incompat   0x64 s_feature_ro_compat
//! 0x68 s_uuid[16]   0x78 s_volume_name[16]   0x88 s_last_mounted[64]   0xfe s_desc_size
//! 0x104 s_first_meta_bg   0x150 s_blocks_count_hi   0x24c s_backup_bgs[2]   0x3fc s_checksum
//! ```

use super::Ext4Error;
use crate::fields::{bytes_at, u16_le, u32_le};

/// Where it is.
pub(super) const OFFSET: u64 = 1024;
/// How long it is.
pub(super) const SIZE: usize = 1024;

/// The largest `s_log_block_size` (64 KiB) that Linux knows.
const MAX_LOG_BLOCK: u32 = 6;

const META_BG: u32 = 0x10;
const BITS_64: u32 = 0x80;
const SPARSE_SUPER: u32 = 0x1;
const SPARSE_SUPER2: u32 = 0x200;

/// What changes how files are found, and is read here; the rest of `s_feature_incompat` is refused.
const KNOWN: u32 =
    0x2 | 0x4 | META_BG | 0x40 | BITS_64 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x3_0000;

/// What a file system says of itself. Features are the words of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// How many inodes there are.
    pub inodes: u32,
    /// How many blocks there are.
    pub blocks: u64,
    /// Bytes of a block.
    pub block_size: u64,
    /// `s_state`: bit 0 unmounted, bit 1 errors were found.
    pub state: u16,
    /// `s_feature_compat`.
    pub compat: u32,
    /// `s_feature_incompat`.
    pub incompat: u32,
    /// `s_feature_ro_compat`.
    pub ro_compat: u32,
    /// Its name for programs.
    pub uuid: [u8; 16],
    /// Its name for people.
    pub label: Vec<u8>,
    /// Where it was last mounted.
    pub last_mounted: Vec<u8>,
    /// `s_checksum`.
    pub checksum: u32,
    /// 1 with blocks of 1024 bytes, else 0.
    first_data_block: u64,
    blocks_per_group: u32,
    inodes_per_group: u32,
    /// Bytes of an inode.
    pub(super) inode_size: u16,
    /// Bytes of a group descriptor.
    descriptor_size: u64,
    first_meta_bg: u32,
    backup_groups: [u32; 2],
}

impl Superblock {
    /// Reads the 1024 bytes at byte 1024 of a file system; `None` when they are none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (log, incompat) = (u32_le(bytes, 0x18)?, u32_le(bytes, 0x60)?);
        if u16_le(bytes, 0x38)? != 0xef53 || log > MAX_LOG_BLOCK {
            return None;
        }
        let text = |at: usize, length: usize| {
            let field = bytes.get(at..at + length)?;
            Some(field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
        };
        let high = if incompat & BITS_64 != 0 { u32_le(bytes, 0x150)? } else { 0 };
        let dynamic = u32_le(bytes, 0x4c)? > 0;
        Some(Self {
            inodes: u32_le(bytes, 0)?,
            blocks: u64::from(high) << 32 | u64::from(u32_le(bytes, 4)?),
            block_size: 1024 << log,
            state: u16_le(bytes, 0x3a)?,
            compat: u32_le(bytes, 0x5c)?,
            incompat,
            ro_compat: u32_le(bytes, 0x64)?,
            uuid: bytes_at(bytes, 0x68)?,
            label: text(0x78, 16)?,
            last_mounted: text(0x88, 64)?,
            checksum: u32_le(bytes, 0x3fc)?,
            first_data_block: u32_le(bytes, 0x14)?.into(),
            blocks_per_group: u32_le(bytes, 0x20)?,
            inodes_per_group: u32_le(bytes, 0x28)?,
            inode_size: if dynamic { u16_le(bytes, 0x58)? } else { 128 },
            descriptor_size: if incompat & BITS_64 != 0 { u16_le(bytes, 0xfe)?.into() } else { 32 },
            first_meta_bg: u32_le(bytes, 0x104)?,
            backup_groups: [u32_le(bytes, 0x24c)?, u32_le(bytes, 0x250)?],
        })
    }

    /// Whether its files can be found.
    pub(super) fn check(&self) -> Result<(), Ext4Error> {
        let wrong = |at: u64, what: &str, value: u64| {
            Err(Ext4Error::Broken { offset: OFFSET + at, what: format!("{what} is {value}") })
        };
        if self.incompat & !KNOWN != 0 {
            return Err(Ext4Error::Unsupported(format!("feature {:#x}", self.incompat & !KNOWN)));
        }
        if self.blocks_per_group == 0 {
            return wrong(0x20, "s_blocks_per_group", 0);
        }
        if self.inodes_per_group == 0 {
            return wrong(0x28, "s_inodes_per_group", 0);
        }
        if self.inode_size < 128 || u64::from(self.inode_size) > self.block_size {
            return wrong(0x58, "s_inode_size", self.inode_size.into());
        }
        let smallest = if self.incompat & BITS_64 != 0 { 64 } else { 32 };
        if self.descriptor_size < smallest || self.descriptor_size > self.block_size {
            return wrong(0xfe, "s_desc_size", self.descriptor_size);
        }
        Ok(())
    }

    /// Whether a group's descriptor has the upper halves of its numbers.
    pub(super) fn is_64_bit(&self) -> bool {
        self.incompat & BITS_64 != 0
    }

    /// The group of an inode that there is, and its index in the group's table.
    pub(super) fn group_of(&self, inode: u32) -> Option<(u32, u32)> {
        let index = inode.checked_sub(1).filter(|_| inode <= self.inodes)?;
        Some((index / self.inodes_per_group, index % self.inodes_per_group))
    }

    /// Where a group's descriptor is, in bytes. With `meta_bg` those of later groups lie among the groups.
    pub(super) fn descriptor_at(&self, group: u32) -> u64 {
        let per_block = self.block_size / self.descriptor_size;
        let (block, index) = (u64::from(group) / per_block, u64::from(group) % per_block);
        let meta = self.incompat & META_BG != 0 && block >= u64::from(self.first_meta_bg);
        let block = if meta {
            let first = block.saturating_mul(per_block);
            let before = first.saturating_mul(self.blocks_per_group.into());
            // With `bigalloc` blocks of 1024 bytes are counted from 0: the superblock's is not the first.
            let shifted = first == 0 && self.block_size == OFFSET && self.first_data_block == 0;
            let ahead = u64::from(self.has_superblock(first)) + u64::from(shifted);
            self.first_data_block.saturating_add(before).saturating_add(ahead)
        } else {
            OFFSET / self.block_size + 1 + block
        };
        block.saturating_mul(self.block_size).saturating_add(index * self.descriptor_size)
    }

    /// Whether a copy of the superblock is at the start of a group: with `sparse_super` in those whose number
    /// is a power of 3, 5 or 7.
    fn has_superblock(&self, group: u64) -> bool {
        if group == 0 {
            return true;
        }
        if self.compat & SPARSE_SUPER2 != 0 {
            return self.backup_groups.iter().any(|backup| u64::from(*backup) == group);
        }
        if group == 1 || self.ro_compat & SPARSE_SUPER == 0 {
            return true;
        }
        [3, 5, 7].into_iter().any(|base: u64| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        })
    }
}
