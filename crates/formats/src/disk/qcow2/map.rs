//! From a byte of the disk to a cluster of the file.
//!
//! ```text
//!   L1 entry     63 copied   55..9 offset of the L2 table, 0: none
//!   L2 entry     63 copied   62 compressed   55..9 offset of the cluster, 0: none   0 zeros
//!   compressed   x..61 further sectors       0..x offset in bytes, x = 62 - (cluster_bits - 8)
//!   extended L2  a second word: bits 0..31 subcluster is there, 32..63 subcluster is zeros
//! ```

use super::super::error::Result;
use super::super::field::Fields;
use super::super::layout::{Packed, Place, Run, joined};
use super::super::pages::Pages;
use super::header::{Header, broken};

const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const ZEROS: u64 = 1;

/// One L1 table and what hangs on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct L1 {
    pub(super) offset: u64,
    pub(super) entries: u32,
}

/// The run that begins at byte `offset` of the disk.
pub(super) fn locate(header: &Header, pages: &Pages, l1: L1, offset: u64) -> Result<Run> {
    let index = offset / header.mapped_by_l2();
    let rest_of_table = header.mapped_by_l2() - offset % header.mapped_by_l2();
    if index >= u64::from(l1.entries) {
        return Err(broken(l1.offset, format!("the L1 table has no entry for byte {offset} of the disk")));
    }
    let at = l1.offset.saturating_add(index * 8);
    let entry = pages.entries(at, 8)?.bytes().be64(0).unwrap_or_default();
    let table = entry & OFFSET;
    if table == 0 {
        return Ok(Run { length: rest_of_table, place: Place::Parent });
    }
    if !table.is_multiple_of(header.cluster_size()) {
        return Err(broken(at, format!("L2 table at {table}, which is not on a cluster")));
    }
    let cluster = (offset % header.mapped_by_l2()) >> header.cluster_bits;
    in_table(header, pages, table + cluster * header.l2_entry(), offset, rest_of_table)
}

/// Goes through the entries of an L2 table from the one at `at` on, as long as they join.
fn in_table(header: &Header, pages: &Pages, at: u64, offset: u64, limit: u64) -> Result<Run> {
    let size = header.l2_entry();
    let entries = pages.entries(at, size as usize)?;
    let mut words = (at..).step_by(size as usize).zip(entries.bytes().chunks_exact(size as usize));
    let mut now = words.next();
    let mut within = offset % header.cluster_size();
    let pieces = std::iter::from_fn(|| {
        let (at, entry) = now?;
        let run = piece(header, at, entry, within);
        within = (within + run.as_ref().map_or(0, |run| run.length)) % header.cluster_size();
        if within == 0 {
            now = words.next();
        }
        Some(run)
    });
    joined(pieces, limit)?.ok_or_else(|| broken(at, "the file ends in this L2 table".to_owned()))
}

/// What one entry says of its cluster from byte `within` on; with subclusters, of one of these.
fn piece(header: &Header, at: u64, entry: &[u8], within: u64) -> Result<Run> {
    let word = entry.be64(0).unwrap_or_default();
    let length = header.cluster_size() - within;
    if word & COMPRESSED != 0 {
        return compressed(header, at, word, within);
    }
    let offset = word & OFFSET;
    if !offset.is_multiple_of(header.cluster_size()) {
        return Err(broken(at, format!("cluster at {offset}, which is not on a cluster")));
    }
    // In an external data file the first cluster has offset 0, and `copied` says that it is there.
    let there = offset != 0 || (header.incompatible.external_data() && word & COPIED != 0);
    let stored = Place::File { index: 0, offset: offset + within };
    if let Some(bitmap) = entry.be64(8) {
        let size = header.cluster_size() / 32;
        let bit = within / size;
        let length = size - within % size;
        let place = match (bitmap >> bit & 1 != 0, bitmap >> (32 + bit) & 1 != 0) {
            (false, false) => Place::Parent,
            (false, true) => Place::Zero,
            (true, false) if there => stored,
            (true, true) => return Err(broken(at + 8, format!("subcluster {bit} is both there and zeros"))),
            (true, false) => {
                return Err(broken(at + 8, format!("subcluster {bit} is there, but its cluster is not")));
            }
        };
        return Ok(Run { length, place });
    }
    let place = match word & ZEROS != 0 && header.version >= 3 {
        true => Place::Zero,
        false if there => stored,
        false => Place::Parent,
    };
    Ok(Run { length, place })
}

fn compressed(header: &Header, at: u64, word: u64, within: u64) -> Result<Run> {
    if header.incompatible.external_data() {
        return Err(broken(at, "a compressed cluster in an external data file cannot be".to_owned()));
    }
    let bits = 62 - (header.cluster_bits - 8);
    let offset = word & ((1 << bits) - 1);
    let sectors = (word & (COMPRESSED - 1)) >> bits;
    // At most 2^13 sectors: the number has cluster_bits - 8 bits.
    let length = ((sectors + 1) * 512 - offset % 512) as usize;
    let unit = Packed { file: 0, offset, length };
    Ok(Run { length: header.cluster_size() - within, place: Place::Packed { unit, skip: within } })
}
