//! The index of a compressed file: which physical cluster holds each logical cluster (block) of it.
//!
//! In the compact form an entry has two bytes in packs of sixteen, or four in packs of two where the
//! position is not a multiple of 32 or fewer are left. Each pack ends with a block address, from which
//! those of its entries are counted:
//!
//! ```text
//! map header │ 4-byte entries up to 32-byte alignment │ packs of 16 × 14 bits + address │ 4-byte entries
//! ```
//!
//! An entry is a type and eleven or twelve bits: for the head of an extent where in the block it starts;
//! for the second one the number of blocks that the extent takes (`CBLKCNT`); for any other the distance
//! back to the head, and for the last of a pack the distance to the next head.

use super::BLOCK;
use super::pack::{Algorithm, Extent, ExtentKind};
use crate::erofs::disk::{
    ADVISE_BIG_PCLUSTERS, ADVISE_COMPACTED_2B, ADVISE_INLINE_PCLUSTER, CBLKCNT, MAP_HEADER,
};

/// The type of a logical cluster, `Z_EROFS_LCLUSTER_TYPE_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lcluster {
    Plain = 0,
    Head1 = 1,
    NonHead = 2,
}

/// One logical cluster.
#[derive(Debug, Clone, Copy)]
enum Entry {
    Head {
        kind: Lcluster,
        offset: u16,
        address: u32,
    },
    /// The second one of an extent: its blocks, and the distance to the next head.
    Count {
        blocks: u16,
    },
    /// Distances to the head before and the one after.
    NonHead {
        back: u16,
        ahead: u16,
    },
}

/// The bits of an entry that are not its type.
const LOW_BITS: u32 = 12;

/// The index of a file of `size` bytes, whose `extents` lie one after the other from block `first` on.
/// `position` is where the map header is, modulo 32; `tail` the number of bytes behind the index.
pub(super) fn compact(
    extents: &[Extent],
    first: u32,
    (algorithm, position): (Algorithm, usize),
    tail: usize,
) -> Vec<u8> {
    let entries = entries(extents, first);
    let mut out = Vec::with_capacity(length(entries.len(), position));
    let inline = if tail > 0 { ADVISE_INLINE_PCLUSTER } else { 0 };
    let advise = ADVISE_COMPACTED_2B | ADVISE_BIG_PCLUSTERS[0] | ADVISE_BIG_PCLUSTERS[1] | inline;
    out.extend([0; 2]);
    out.extend((tail as u16).to_le_bytes());
    out.extend(advise.to_le_bytes());
    out.extend([algorithm.number(), 0]);
    let (initial, pairs) = split(entries.len(), position);
    let (start, rest) = entries.split_at(initial);
    let (middle, end) = rest.split_at(pairs);
    start.chunks(2).for_each(|pack| write_pack(pack, 2, 16, &mut out));
    middle.chunks(16).for_each(|pack| write_pack(pack, 16, 14, &mut out));
    end.chunks(2).for_each(|pack| write_pack(pack, 2, 16, &mut out));
    out
}

/// Bytes that header and entries of `size` bytes of data take at that position.
pub(super) fn length_for(size: u64, position: usize) -> usize {
    let entries = usize::try_from(size.div_ceil(BLOCK as u64)).unwrap_or(usize::MAX);
    length(entries, position)
}

fn length(entries: usize, position: usize) -> usize {
    let (initial, pairs) = split(entries, position);
    let end = entries - initial - pairs;
    MAP_HEADER + initial.next_multiple_of(2) * 4 + pairs * 2 + end.next_multiple_of(2) * 4
}

/// How many entries of four bytes come first, and how many of two bytes follow them.
fn split(entries: usize, position: usize) -> (usize, usize) {
    let initial = (32 - (position + MAP_HEADER) % 32) / 4 % 8;
    if initial >= entries {
        return (entries, 0);
    }
    (initial, (entries - initial) / 16 * 16)
}

fn entries(extents: &[Extent], first: u32) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut address = first;
    let mut offset = 0;
    for extent in extents {
        let end = offset + extent.length as usize;
        let kind = match extent.kind {
            ExtentKind::Plain => Lcluster::Plain,
            ExtentKind::Compressed => Lcluster::Head1,
        };
        entries.push(Entry::Head { kind, offset: offset as u16, address });
        // The cluster in which the extent ends belongs to the next one, if it does not end there too.
        let count = end / BLOCK;
        for back in 1..count {
            let ahead = distance(count - back);
            entries.push(match back {
                1 => Entry::Count { blocks: extent.blocks.max(1) },
                _ => Entry::NonHead { back: distance(back), ahead },
            });
        }
        address = address.wrapping_add(extent.blocks.into());
        offset = if count == 0 { 0 } else { end % BLOCK };
    }
    if offset > 0 {
        entries.push(Entry::Head { kind: Lcluster::Plain, offset: offset as u16, address });
    }
    entries
}

/// Longer distances are walked in steps.
fn distance(clusters: usize) -> u16 {
    u16::try_from(clusters).unwrap_or(u16::MAX).min(CBLKCNT - 1)
}

/// Writes up to `size` entries of `bits` bits and the address that they are counted from.
fn write_pack(pack: &[Entry], size: usize, bits: u32, out: &mut Vec<u8>) {
    let mut accumulated: u32 = 0;
    let mut filled = 0;
    for place in 0..size {
        let value = pack.get(place).map_or(0, |entry| encode(*entry, place + 1 == size));
        accumulated |= value << filled;
        filled += bits;
        while filled >= 8 {
            out.push((accumulated & 0xff) as u8);
            accumulated >>= 8;
            filled -= 8;
        }
    }
    out.extend(base(pack).to_le_bytes());
}

fn encode(entry: Entry, last: bool) -> u32 {
    let (kind, low) = match entry {
        Entry::Head { kind, offset, .. } => (kind, offset),
        Entry::Count { blocks } => (Lcluster::NonHead, blocks | CBLKCNT),
        Entry::NonHead { ahead, .. } if last => (Lcluster::NonHead, ahead),
        Entry::NonHead { back, .. } => (Lcluster::NonHead, back),
    };
    (kind as u32) << LOW_BITS | u32::from(low)
}

/// The address of the pack's first head, less the blocks of an extent whose head is in the pack before and
/// whose count is in this one: readers add them.
fn base(pack: &[Entry]) -> u32 {
    let mut counted = 0;
    for entry in pack {
        match entry {
            Entry::Head { address, .. } => return address.wrapping_sub(counted),
            Entry::Count { blocks } => counted += u32::from(*blocks),
            Entry::NonHead { .. } => {}
        }
    }
    0
}
