//! The log (MS-VHDX 2.3): changes of tables that were under way when the disk was last open.
//!
//! ```text
//!   entry       0 "loge"  4 Checksum  8 EntryLength  12 Tail  16 SequenceNumber  24 DescriptorCount
//!              32 LogGuid  48 FlushedFileOffset  56 LastFileOffset  64 descriptors
//!   descriptor  0 "desc"  4 TrailingBytes  8 LeadingBytes  16 FileOffset  24 SequenceNumber
//!               0 "zero"                   8 ZeroLength    16 FileOffset  24 SequenceNumber
//!   sector      0 "data"  4 SequenceHigh   8 4084 bytes  4092 SequenceLow
//! ```
//!
//! The log is a ring of sectors of 4096 bytes. The entries with the header's LogGuid and ascending
//! sequence numbers form a sequence; the newest whole one holds. What it changes is kept in memory, laid over
//! the file: the file itself is never written to.

use std::collections::BTreeMap;

use super::super::Shared;
use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::header::{Header, broken, checksum};
use crate::Guid;
use crate::{Extent, ExtentKind, ReadAt};

const SECTOR: u64 = 4096;

/// Hyper-V and QEMU make logs of 1 MiB. All of it is held in memory while it is replayed.
const MAX_LOG: u32 = 64 << 20;

/// Sectors of a file that are other than the file says.
pub(super) struct Overlay {
    file: Shared,
    /// By offset; `None` is zeros.
    sectors: BTreeMap<u64, Option<Box<[u8]>>>,
    /// Runs of zeros, in the order of the log. A later sector wins over them, see [`Overlay::zero`].
    zeros: Vec<std::ops::Range<u64>>,
    size: u64,
}

/// An entry of the log that is whole.
struct Entry {
    offset: u64,
    sequence: u64,
    tail: u32,
    bytes: Vec<u8>,
}

/// The file as it is once its log was replayed.
pub(super) fn replay(file: Shared, header: &Header) -> Result<Shared> {
    if header.log.is_nil() {
        return Ok(file);
    }
    let length = u64::from(header.log_length);
    if header.log_length > MAX_LOG || length == 0 || !length.is_multiple_of(SECTOR) {
        return Err(broken(header.log_offset, format!("a log of {length} bytes cannot be")));
    }
    let ring = read_up_to(&file, header.log_offset, header.log_length as usize)?;
    if ring.len() as u64 != length {
        return Err(broken(header.log_offset, "the file ends in the log".to_owned()));
    }
    let entries = newest(&ring, header.log);
    let Some(last) = entries.last() else {
        let what =
            "the header says that there is something in the log, but no entry of it is whole".to_owned();
        return Err(broken(header.log_offset, what));
    };
    let flushed = last.bytes.le64(48).unwrap_or_default();
    if file.size() < flushed {
        let what = format!("the file was {flushed} bytes long when the log was written, and is cut off");
        return Err(broken(file.size(), what));
    }
    let size = file.size().max(last.bytes.le64(56).unwrap_or_default());
    let mut overlay = Overlay { file, sectors: BTreeMap::new(), zeros: Vec::new(), size };
    for entry in &entries {
        overlay.apply(header.log_offset, entry)?;
    }
    Ok(std::sync::Arc::new(overlay))
}

/// The newest whole sequence.
fn newest(ring: &[u8], guid: Guid) -> Vec<Entry> {
    let mut best: Vec<Entry> = Vec::new();
    let mut at = 0;
    while at < ring.len() as u64 {
        let Some(first) = entry(ring, at, guid) else {
            at += SECTOR;
            continue;
        };
        let found = sequence(ring, guid, first);
        // Behind what was found another sequence may begin, unless it went around the ring's end.
        at = found.last().map_or(at, |last| last.offset + last.bytes.len() as u64).max(at + SECTOR);
        let rank = |entries: &[Entry]| (entries.last().map(|entry| entry.sequence), entries.len());
        if rank(&found) > rank(&best) {
            best = found;
        }
    }
    // The head's tail says with which entry the sequence begins that still matters.
    let tail = best.last().map(|head| u64::from(head.tail));
    match best.iter().position(|entry| Some(entry.offset) == tail) {
        Some(start) => best.split_off(start),
        None => Vec::new(),
    }
}

/// `first` and the entries right behind it, as long as the sequence numbers go up by one.
fn sequence(ring: &[u8], guid: Guid, first: Entry) -> Vec<Entry> {
    let mut entries = vec![first];
    let mut covered = 0;
    while let Some(last) = entries.last() {
        covered += last.bytes.len() as u64;
        let next = (last.offset + last.bytes.len() as u64) % ring.len() as u64;
        match entry(ring, next, guid) {
            Some(entry) if entry.sequence == last.sequence.wrapping_add(1) && covered < ring.len() as u64 => {
                entries.push(entry);
            }
            _ => break,
        }
    }
    entries
}

/// The entry at `at`, if it is whole.
fn entry(ring: &[u8], at: u64, guid: Guid) -> Option<Entry> {
    let size = ring.len() as u64;
    let head = ring.get(usize::try_from(at).ok()?..)?;
    if !head.starts_with(b"loge") || head.array(32)? != guid.bytes {
        return None;
    }
    let length = u64::from(head.le32(8)?);
    if length == 0 || length > size || !length.is_multiple_of(SECTOR) {
        return None;
    }
    // What the ring's end cuts off goes on at its start; the length is at most the ring's.
    let front = head.get(..head.len().min(length as usize))?;
    let bytes = [front, ring.get(..length as usize - front.len())?].concat();
    (bytes.le32(4)? == checksum(&bytes)).then_some(())?;
    Some(Entry { offset: at, sequence: bytes.le64(16)?, tail: bytes.le32(12)?, bytes })
}

impl Overlay {
    fn apply(&mut self, log_offset: u64, entry: &Entry) -> Result<()> {
        let fault = |what: &str| broken(log_offset + entry.offset, format!("this log entry {what}"));
        let count = entry.bytes.le32(24).unwrap_or_default();
        let table = 64 + u64::from(count) * 32;
        let mut sectors = entry.bytes.chunks_exact(SECTOR as usize).skip(table.div_ceil(SECTOR) as usize);
        let descriptors = entry.bytes.get(64..).unwrap_or_default().chunks_exact(32);
        if table > entry.bytes.len() as u64 {
            return Err(fault("has more descriptors than bytes"));
        }
        for descriptor in descriptors.take(count as usize) {
            let (Some(offset), Some(sequence)) = (descriptor.le64(16), descriptor.le64(24)) else { break };
            if sequence != entry.sequence || !offset.is_multiple_of(SECTOR) {
                return Err(fault("has a descriptor of another entry, or one that is not on a sector"));
            }
            match descriptor.get(..4) {
                Some(b"zero") => self.zero(offset, descriptor.le64(8).unwrap_or_default()),
                Some(b"desc") => {
                    let sector = sectors.next().and_then(|sector| whole(sector, descriptor, sequence));
                    self.put(offset, sector.ok_or_else(|| fault("lacks a data sector"))?);
                }
                _ => return Err(fault("has a descriptor of an unknown kind")),
            }
        }
        Ok(())
    }

    fn put(&mut self, offset: u64, sector: Vec<u8>) {
        self.size = self.size.max(offset.saturating_add(SECTOR));
        self.sectors.insert(offset, Some(sector.into()));
    }

    /// Zeros win over what was before, so the sectors that they cover are dropped.
    fn zero(&mut self, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        let covered: Vec<u64> = self.sectors.range(offset..end).map(|(&at, _)| at).collect();
        for at in covered {
            self.sectors.insert(at, None);
        }
        self.zeros.push(offset..end);
    }

    /// What the overlay has for the sector at `at`.
    fn sector(&self, at: u64) -> Option<Option<&[u8]>> {
        if let Some(sector) = self.sectors.get(&at) {
            return Some(sector.as_deref());
        }
        self.zeros.iter().any(|range| range.contains(&at)).then_some(None)
    }
}

/// A data sector with the bytes that the descriptor keeps for it.
fn whole(sector: &[u8], descriptor: &[u8], sequence: u64) -> Option<Vec<u8>> {
    let high = u64::from(sector.le32(4)?) << 32;
    if !sector.starts_with(b"data") || high | u64::from(sector.le32(4092)?) != sequence {
        return None;
    }
    Some([descriptor.get(8..16)?, sector.get(8..4092)?, descriptor.get(4..8)?].concat())
}

impl ReadAt for Overlay {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let start = offset - offset % SECTOR;
        let until = self.sectors.range(start..).next().map_or(u64::MAX, |(&at, _)| at);
        let clear = until.saturating_sub(offset);
        let near_zeros = self.zeros.iter().any(|range| range.end > offset);
        if until > start && !near_zeros && offset < self.file.size() {
            let count = buffer.len().min(left).min(usize::try_from(clear).unwrap_or(usize::MAX));
            return self.file.read_at(offset, buffer.get_mut(..count).unwrap_or_default());
        }
        let within = (offset - start) as usize;
        let count = buffer.len().min(left).min(SECTOR as usize - within);
        let part = buffer.get_mut(..count).unwrap_or_default();
        part.fill(0);
        match self.sector(start) {
            Some(Some(sector)) => {
                part.copy_from_slice(sector.get(within..within + count).unwrap_or_default());
            }
            Some(None) => {}
            None => {
                let there = usize::try_from(self.file.size().saturating_sub(offset)).unwrap_or(usize::MAX);
                self.file.read_exact_at(offset, part.get_mut(..count.min(there)).unwrap_or_default())?;
            }
        }
        Ok(count)
    }

    fn extent(&self, offset: u64) -> std::io::Result<Extent> {
        Ok(Extent { range: offset..self.size.max(offset), kind: ExtentKind::Data })
    }
}
