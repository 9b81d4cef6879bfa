//! The entries of an index, one logical cluster each, in both [forms](super::index).

use super::Volume;
use super::error::{Error, Result, damaged};
use super::index::{Form, Index, MAX_EXTENT};
use crate::erofs::disk::{ADVISE_BIG_PCLUSTERS, CBLKCNT};
use crate::fields::{u16_le, u32_le, u64_le};

/// Bytes of the index that are read at once.
const WINDOW: usize = 1024;

/// What a cluster's entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cluster {
    Head {
        head: Head,
        offset: u64,
        address: u32,
    },
    /// With the number of blocks of its extent, if it tells that.
    NonHead(Option<u16>),
}

/// `Z_EROFS_LCLUSTER_TYPE_…` but the non-heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Plain,
    First,
    Second,
}

/// Reads entries, some of which it has at hand.
pub(super) struct Entries<'a> {
    volume: &'a Volume,
    index: &'a Index,
    start: u64,
    window: Vec<u8>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(volume: &'a Volume, index: &'a Index) -> Self {
        Self { volume, index, start: 0, window: Vec::new() }
    }

    /// The head of the extent that holds the byte at `offset`: where it begins in the file, and its entry.
    pub(super) fn head_of(&mut self, offset: u64) -> Result<(u64, Cluster)> {
        let bits = self.index.bits;
        let last = offset >> bits;
        let first = offset.saturating_sub(MAX_EXTENT) >> bits;
        for number in (first..=last).rev() {
            let cluster = self.get(number)?;
            if let Cluster::Head { offset: within, .. } = cluster {
                let start = (number << bits) + within;
                if start <= offset {
                    return Ok((start, cluster));
                }
            }
        }
        Err(self.broken("no head of an extent up to here", last))
    }

    /// Where the extent ends whose head is in the cluster `number`.
    pub(super) fn end_of(&mut self, number: u64) -> Result<u64> {
        let bits = self.index.bits;
        let most = (MAX_EXTENT >> bits) + 1;
        for next in number + 1..=number + most {
            if next >= self.index.clusters() {
                return Ok(self.index.size);
            }
            if let Cluster::Head { offset, .. } = self.get(next)? {
                return Ok(((next << bits) + offset).min(self.index.size));
            }
        }
        Err(self.broken("an extent of more than 12 MiB", number))
    }

    /// How many blocks the extent takes whose head is in the cluster `number`.
    pub(super) fn blocks(&mut self, number: u64, head: Head) -> Result<u16> {
        let big = match head {
            Head::Plain => false,
            Head::First => self.index.advise & ADVISE_BIG_PCLUSTERS[0] != 0,
            Head::Second => self.index.advise & ADVISE_BIG_PCLUSTERS[1] != 0,
        };
        if !big || number + 1 >= self.index.clusters() {
            return Ok(1);
        }
        match self.get(number + 1)? {
            Cluster::Head { .. } => Ok(1),
            Cluster::NonHead(Some(blocks)) if blocks > 0 => Ok(blocks),
            Cluster::NonHead(_) => Err(self.broken("an extent that does not say how long it is", number)),
        }
    }

    fn get(&mut self, number: u64) -> Result<Cluster> {
        match self.index.form {
            Form::Full => self.full(number),
            Form::Compact { initial, pairs } => {
                let entries = self.index.entries;
                if number < initial {
                    return self.pack(entries, number, 2);
                }
                let after = entries + initial * 4;
                if number - initial < pairs {
                    return self.pack(after, number - initial, 16);
                }
                self.pack(after + pairs * 2, number - initial - pairs, 2)
            }
        }
    }

    fn full(&mut self, number: u64) -> Result<Cluster> {
        let at = self.index.entries + number * 8;
        let entry = self.bytes(at, 8)?;
        let fields = u16_le(entry, 0).zip(u16_le(entry, 2)).zip(u32_le(entry, 4));
        let ((kind, offset), address) = fields.unwrap_or_default();
        let Some(head) = head(u32::from(kind)) else {
            let distance = (address & 0xffff) as u16;
            let blocks = (distance & CBLKCNT != 0).then_some(distance & !CBLKCNT);
            return Ok(Cluster::NonHead(blocks));
        };
        self.checked(head, u32::from(offset), address, at)
    }

    /// The entry `number` of those that begin at `start` in packs of `count`.
    fn pack(&mut self, start: u64, number: u64, count: u64) -> Result<Cluster> {
        let (size, width) = if count == 2 { (8, 16) } else { (32, 14) };
        let low_bits = u32::from(self.index.bits.max(12));
        let big = self.index.advise & ADVISE_BIG_PCLUSTERS[0] != 0;
        let at = start + number / count * size;
        let pack = self.bytes(at, size as usize)?;
        let base = u32_le(pack, size as usize - 4).unwrap_or(0);
        let entry = |place: u64| {
            let bit = place * width;
            // A word that holds all of it, or ends with the pack.
            let word_at = ((bit / 8) as usize).min(size as usize - 8);
            let word = u64_le(pack, word_at).unwrap_or(0) >> (bit - word_at as u64 * 8);
            let (low, kind) = (word & ((1 << low_bits) - 1), word >> low_bits & 3);
            (head(kind as u32), low as u32)
        };
        let told =
            |low: u32| (big && low & u32::from(CBLKCNT) != 0).then_some((low & !u32::from(CBLKCNT)) as u16);
        let place = number % count;
        let (head, low) = entry(place);
        let Some(head) = head else { return Ok(Cluster::NonHead(told(low))) };
        // Where all extents take one block, the address is that of the block before the first.
        let mut before: u32 = if big { 0 } else { 1 };
        for earlier in 0..place {
            let blocks = match entry(earlier) {
                (None, low) => told(low).map_or(0, u32::from),
                // The entry behind it says how many.
                (Some(_), _) if matches!(entry(earlier + 1), (None, low) if told(low).is_some()) => 0,
                (Some(_), _) => 1,
            };
            before = before.wrapping_add(blocks);
        }
        self.checked(head, low, base.wrapping_add(before), at)
    }

    fn checked(&self, head: Head, offset: u32, address: u32, at: u64) -> Result<Cluster> {
        if u64::from(offset) >= 1 << self.index.bits {
            return Err(damaged("an extent begins outside of its cluster: the index is broken", at));
        }
        Ok(Cluster::Head { head, offset: offset.into(), address })
    }

    fn bytes(&mut self, at: u64, length: usize) -> Result<&[u8]> {
        let held = self.start..self.start + self.window.len() as u64;
        if !(held.contains(&at) && at + length as u64 <= held.end) {
            self.start = at.saturating_sub(at % WINDOW as u64);
            if at + length as u64 > self.start + WINDOW as u64 {
                self.start = at;
            }
            self.window = self.volume.bytes_up_to(self.start, WINDOW)?;
        }
        let from = (at - self.start) as usize;
        self.window.get(from..from + length).ok_or_else(|| damaged("an index is cut off", at))
    }

    pub(super) fn broken(&self, problem: &str, number: u64) -> Error {
        let place = self.index.entries;
        damaged(format!("{problem} (cluster {number}): the index that begins"), place)
    }
}

/// By the two bits of an entry's type.
fn head(kind: u32) -> Option<Head> {
    match kind & 3 {
        0 => Some(Head::Plain),
        1 => Some(Head::First),
        3 => Some(Head::Second),
        _ => None,
    }
}
