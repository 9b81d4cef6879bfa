//! The cache partition: roots that a machine keeps from one boot to the next.
//!
//! A format of our own, version 1, described in `docs/disk-cache.md`. Numbers are little-endian:
//!
//! ```text
//! 0         header, 4096 bytes                 ┐ two copies; the whole one with the higher
//! 512 KiB   header, 4096 bytes                 ┘ sequence number counts
//! 1 MiB …   generations, each on a multiple of 1 MiB:
//!           the root, as it is in root.img │ root.json, on a multiple of 4096
//!
//! a header: 0 "BWCACHE\0" │ 8 u32 version │ 12 u32 generations │ 16 u64 sequence │ 24 u64 bytes of the partition
//!           32 GUID of the cache │ 48 zeros │ 64 generations, 96 bytes each │ … zeros │ 4092 u32 CRC-32 of the rest
//! of each:  0 u64 where it begins │ 8 u64 bytes of the root │ 16 u32 bytes of root.json │ 20 u32 state
//!           24 u64 sequence when it was entered last │ 32 SHA-256 of root.json │ 64 zeros
//! ```
//!
//! A header is changed by writing the copy that does not count, with the next sequence number: a write that is torn
//! leaves the other one as it was. A header says where to look, never what to trust: the root manifest is told by its
//! digest, and the root by the manifest.

mod header;

pub use header::{Generation, HEADER_SIZE, Header, HeaderError, State};

use std::ops::Range;

/// Bytes in front of the first generation.
pub const HEAD: u64 = 1 << 20;

/// Where the two headers are.
pub const COPIES: [u64; 2] = [0, 512 << 10];

/// Generations begin on a multiple of so many bytes: what a disk erases at once is seldom larger.
pub const ALIGNMENT: u64 = 1 << 20;

/// Roots and manifests begin on a multiple of so many bytes.
pub const BLOCK: u64 = 4096;

/// The most generations of a cache: they bound the header.
pub const MAX_GENERATIONS: usize = 16;

/// The room that a root of `root` bytes and its manifest of `manifest` bytes take; `None` when no disk has so much.
pub fn room_for(root: u64, manifest: u32) -> Option<u64> {
    let manifest = u64::from(manifest).checked_next_multiple_of(BLOCK)?;
    root.checked_next_multiple_of(BLOCK)?.checked_add(manifest)?.checked_next_multiple_of(ALIGNMENT)
}

impl Header {
    /// Where nothing lies, in order.
    pub fn gaps(&self) -> Vec<Range<u64>> {
        let mut taken: Vec<_> = self.generations.iter().map(Generation::extent).collect();
        taken.sort_by_key(|extent| extent.start);
        let (mut gaps, mut at) = (Vec::new(), HEAD);
        for extent in taken {
            if extent.start > at {
                gaps.push(at..extent.start);
            }
            at = at.max(extent.end);
        }
        let end = self.size - self.size % ALIGNMENT;
        if end > at {
            gaps.push(at..end);
        }
        gaps
    }
}

/// Of two copies the one that counts, and in which place the next one goes.
///
/// # Errors
/// What is wrong with both, in their order.
pub fn newest(
    copies: [Result<Header, HeaderError>; 2],
) -> Result<(Header, usize), Box<(HeaderError, HeaderError)>> {
    match copies {
        [Ok(one), Ok(other)] if one.sequence >= other.sequence => Ok((one, 1)),
        [_, Ok(other)] => Ok((other, 0)),
        [Ok(one), Err(_)] => Ok((one, 1)),
        [Err(one), Err(other)] => Err(Box::new((one, other))),
    }
}

#[cfg(test)]
mod tests;
