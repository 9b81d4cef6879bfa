//! Where each inode goes in the metadata area.

use super::BLOCK;
use crate::erofs::disk::SLOT;

/// How many gaps are remembered to be filled.
const MAX_GAPS: usize = 256;
/// How much a group holds at least: each loses half a block at its end.
const MIN_GROUP: usize = 16 * BLOCK;

/// What must not cross a block boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Together {
    /// Nothing: there is no data behind the inode.
    Nothing,
    /// The last so many bytes.
    Tail(usize),
    /// All of it.
    All,
}

/// The metadata area as it fills.
#[derive(Debug, Default)]
pub(super) struct Layout {
    end: usize,
    /// Where the group begins, on a block.
    group: usize,
    /// Free space between inodes: start and length.
    gaps: Vec<(usize, usize)>,
}

impl Layout {
    /// The place of an inode that takes `size` bytes with all that is behind it.
    pub(super) fn place(&mut self, size: usize, together: Together) -> usize {
        let rounded = size.next_multiple_of(SLOT);
        if let Some(start) = self.fill_gap(size, rounded, together) {
            return start;
        }
        let start = self.end + shift(self.end, size, together);
        if start > self.end {
            self.remember(self.end, start - self.end);
        }
        self.end = start + rounded;
        start
    }

    /// Ends a group that is large enough. What is in it does not move what is in the next one within its blocks.
    pub(super) fn end_group(&mut self) {
        if self.end - self.group >= MIN_GROUP {
            self.end = self.end.next_multiple_of(BLOCK);
            self.group = self.end;
            self.gaps.clear();
        }
    }

    /// The smallest gap that holds it.
    fn fill_gap(&mut self, size: usize, rounded: usize, together: Together) -> Option<usize> {
        let fits =
            |(start, length): &(usize, usize)| *length >= rounded && shift(*start, size, together) == 0;
        let candidates = self.gaps.iter().enumerate().filter(|(_, gap)| fits(gap));
        let (index, _) = candidates.min_by_key(|(_, (start, length))| (*length, *start))?;
        let (start, length) = self.gaps.swap_remove(index);
        self.remember(start + rounded, length - rounded);
        Some(start)
    }

    fn remember(&mut self, start: usize, length: usize) {
        if length < SLOT {
            return;
        }
        self.gaps.push((start, length));
        if self.gaps.len() > MAX_GAPS {
            let smallest = self.gaps.iter().enumerate().min_by_key(|(_, (start, length))| (*length, *start));
            if let Some((index, _)) = smallest {
                self.gaps.swap_remove(index);
            }
        }
    }
}

/// By how much an inode at `start` has to move so that what belongs together is in one block.
fn shift(start: usize, size: usize, together: Together) -> usize {
    let tail = match together {
        Together::Nothing => return 0,
        Together::Tail(tail) => tail,
        Together::All => size,
    };
    let tail_start = start + size - tail;
    let boundary = (start + size - 1) / BLOCK * BLOCK;
    if tail_start >= boundary { 0 } else { (boundary - tail_start).next_multiple_of(SLOT) }
}
