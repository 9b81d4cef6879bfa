//! Where a file's blocks are: trees of extents (ext4), lists of blocks (ext2, ext3).
//!
//! ```text
//! extents  header: 0 magic 0xf30a u16   2 entries u16   4 max u16   6 depth u16, then entries of 12 bytes
//!          leaf:   0 first block u32   4 length u16 (more than 32768: not written yet)   6 start_hi u16   8 start_lo u32
//!          index:  0 first block u32   4 leaf_lo u32   8 leaf_hi u16
//! lists    12 blocks, then the block of a list, of a list of lists, of a list of lists of lists
//! ```

use super::{Ext4, Ext4Error, Inode, read};
use crate::fields::{u16_le, u32_le};

/// The deepest tree that Linux makes.
const MAX_DEPTH: u16 = 5;

/// Blocks whose numbers stand in the inode.
const DIRECT: u64 = 12;

/// A longer extent was reserved and not written: it is zeros.
const WRITTEN: u16 = 32768;

/// Blocks of a file that follow each other on the disk, or are zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The block on the disk; `None` for zeros.
    pub(super) physical: Option<u64>,
    /// How many blocks, at least one.
    pub(super) count: u64,
}

impl Ext4 {
    /// The run that begins at a block of the file.
    pub(super) fn locate(&self, inode: &Inode, block: u64) -> Result<Run, Ext4Error> {
        let run = if inode.has_extents() { self.extent(inode, block)? } else { self.listed(inode, block)? };
        let end = run.physical.map(|start| start.saturating_add(run.count));
        if end.is_some_and(|end| end > self.superblock.blocks) {
            let what = format!("block {block} of the file is at {run:?}, past the file system's end");
            return Err(inode.broken(what));
        }
        Ok(run)
    }

    fn block(&self, inode: &Inode, number: u64) -> Result<Vec<u8>, Ext4Error> {
        if number == 0 || number >= self.superblock.blocks {
            return Err(inode.broken(format!("its map is in block {number}, which cannot be")));
        }
        // At most 64 KiB: the superblock was checked.
        let mut bytes = vec![0; self.superblock.block_size as usize];
        read(&*self.source, number * self.superblock.block_size, &mut bytes)?;
        Ok(bytes)
    }

    fn extent(&self, inode: &Inode, block: u64) -> Result<Run, Ext4Error> {
        let mut node = inode.map.to_vec();
        let mut wanted: Option<u16> = None;
        // Where the next index begins: a hole reaches no further.
        let mut end = u64::MAX;
        loop {
            let depth = header(&node).filter(|depth| wanted.is_none_or(|wanted| *depth == wanted));
            let depth = depth.filter(|depth| *depth <= MAX_DEPTH);
            let depth = depth.ok_or_else(|| inode.broken("a node of its extents is damaged".to_owned()))?;
            let entries = u16_le(&node, 2).unwrap_or(0);
            let entries =
                (1..=usize::from(entries)).filter_map(|index| node.get(index * 12..index * 12 + 12));
            let mut found: Option<&[u8]> = None;
            for entry in entries {
                let start = first(entry);
                if start > block {
                    end = end.min(start);
                } else if found.is_none_or(|found| first(found) <= start) {
                    found = Some(entry);
                }
            }
            let Some(entry) = found else { return Ok(Run { physical: None, count: end - block }) };
            if depth == 0 {
                return Ok(leaf(entry, block, end));
            }
            let next =
                u64::from(u16_le(entry, 8).unwrap_or(0)) << 32 | u64::from(u32_le(entry, 4).unwrap_or(0));
            node = self.block(inode, next)?;
            wanted = Some(depth - 1);
        }
    }

    fn listed(&self, inode: &Inode, block: u64) -> Result<Run, Ext4Error> {
        let direct = inode.map.get(..48).unwrap_or_default();
        if block < DIRECT {
            return Ok(following(direct, block));
        }
        let per_list = self.superblock.block_size / 4;
        let mut within = block - DIRECT;
        let mut span = per_list;
        for level in 0..3 {
            if within < span {
                let list = u32_le(&inode.map, 48 + level * 4).unwrap_or(0);
                return self.list(inode, list.into(), (within, span));
            }
            within -= span;
            span = span.saturating_mul(per_list);
        }
        Err(inode.broken(format!("block {block} is more than lists of blocks reach")))
    }

    /// Goes down from a list that covers `span` blocks to the one that names block `within` of them.
    fn list(
        &self,
        inode: &Inode,
        mut list: u64,
        (mut within, mut span): (u64, u64),
    ) -> Result<Run, Ext4Error> {
        let per_list = self.superblock.block_size / 4;
        loop {
            if list == 0 {
                return Ok(Run { physical: None, count: span - within });
            }
            let numbers = self.block(inode, list)?;
            span /= per_list;
            if span <= 1 {
                return Ok(following(&numbers, within));
            }
            let index = usize::try_from(within / span * 4).unwrap_or(usize::MAX);
            list = u32_le(&numbers, index).unwrap_or(0).into();
            within %= span;
        }
    }
}

/// The depth of a node; `None` when it is damaged.
fn header(node: &[u8]) -> Option<u16> {
    let (magic, entries, depth) = (u16_le(node, 0)?, u16_le(node, 2)?, u16_le(node, 6)?);
    (magic == 0xf30a && (usize::from(entries) + 1) * 12 <= node.len()).then_some(depth)
}

/// The block of the file that an entry begins with.
fn first(entry: &[u8]) -> u64 {
    u32_le(entry, 0).unwrap_or(0).into()
}

/// What an extent says of a block at or behind its start; behind its end is a hole up to `end`.
fn leaf(entry: &[u8], block: u64, end: u64) -> Run {
    let length = u16_le(entry, 4).unwrap_or(0);
    let written = length <= WRITTEN;
    let length = u64::from(if written { length } else { length - WRITTEN });
    let within = block - first(entry);
    if within >= length {
        return Run { physical: None, count: end - block };
    }
    let start = u64::from(u16_le(entry, 6).unwrap_or(0)) << 32 | u64::from(u32_le(entry, 8).unwrap_or(0));
    Run { physical: written.then_some(start + within), count: length - within }
}

/// The run at an index of a list: as long as numbers follow each other, or are zero.
fn following(list: &[u8], index: u64) -> Run {
    let at = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(4);
    let mut numbers = list.get(at..).unwrap_or_default().chunks_exact(4).filter_map(|word| u32_le(word, 0));
    let start = u64::from(numbers.next().unwrap_or(0));
    let mut count = 1;
    for number in numbers {
        let next = if start == 0 { 0 } else { start + count };
        if u64::from(number) != next {
            break;
        }
        count += 1;
    }
    Run { physical: (start != 0).then_some(start), count }
}
