//! Files that are mostly holes: chunks of one size, each of which lies in one piece somewhere, or nowhere.
//!
//! ```text
//! inode │ xattrs │ table: a block address (u32) for each chunk, all ones for a hole       Linux 5.15
//! ```
//!
//! What is in chunks is not compressed. So this is for files whose holes are worth more than that: a `lastlog`, a
//! disk image that has hardly been used. Equal chunks are stored once.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::inode::Data;
use super::{BLOCK, Error, Writer, display};
use crate::{ExtentKind, ReadAt};

/// `EROFS_NULL_ADDR`: a chunk that is a hole.
const HOLE: u32 = u32::MAX;
/// A compressed image keeps the holes of a file when no more than one byte in so many is data: that much data is
/// hardly larger without compression than all the zeros are with it.
const MOSTLY_HOLES: u64 = 8;
/// The most entries of a table: it is kept in memory.
const MAX_ENTRIES: u64 = 1 << 20;
/// The largest chunk, which is held in memory, as a logarithm.
const MAX_CHUNK_BITS: u32 = 24;
/// The largest file with holes.
pub(super) const MAX_SIZE: u64 = MAX_ENTRIES << MAX_CHUNK_BITS;

/// A file's chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    /// The logarithm of their bytes.
    bits: u32,
    addresses: Vec<u32>,
}

/// Where each chunk that was written lies, by its digest.
pub(super) type KnownChunks = HashMap<[u8; 32], u32>;

impl Chunks {
    /// `i_u.c.format`: how many blocks a chunk has, as a logarithm.
    pub(super) fn format(&self) -> u32 {
        self.bits - BLOCK.trailing_zeros()
    }

    /// What lies behind the inode.
    pub(super) fn table(&self) -> Arc<[u8]> {
        self.addresses.iter().flat_map(|address| address.to_le_bytes()).collect()
    }
}

impl<W: Write> Writer<W> {
    /// Takes a file that knows its holes, and keeps them if that is worth while.
    pub(super) fn read_sparse(
        &mut self,
        path: &[u8],
        index: usize,
        room: usize,
        content: &dyn ReadAt,
    ) -> Result<(), Error> {
        let failed = |source| Error::Read { path: display(path), source };
        let size = content.size();
        let data = data_of(content).map_err(failed)?;
        let bytes: u64 = data.iter().map(|range| range.end - range.start).sum();
        let worth_while = match self.options.compression {
            Some(_) => bytes <= size / MOSTLY_HOLES,
            None => bytes < size,
        };
        if !worth_while {
            return self.read(path, index, room, size, &mut InOrder { content, at: 0 });
        }
        let bits = chunk_bits(size, &data).ok_or_else(|| Error::Sparse { path: display(path), size })?;
        // What came before gets the blocks before, whatever the number of threads.
        self.drain()?;
        let mut addresses = vec![HOLE; size.div_ceil(1 << bits) as usize];
        for number in with_data(&data, bits) {
            let start = number << bits;
            // A chunk is at most 16 MiB.
            let mut chunk = vec![0; (size - start).min(1 << bits) as usize];
            content.read_exact_at(start, &mut chunk).map_err(failed)?;
            let address = self.chunk(&chunk)?;
            if let Some(entry) = addresses.get_mut(number as usize) {
                *entry = address;
            }
        }
        if let Some(inode) = self.inodes.get_mut(index) {
            inode.data = Data::Chunks(Chunks { bits, addresses });
        }
        Ok(())
    }

    /// The address of a chunk, which is written unless an equal one was.
    fn chunk(&mut self, chunk: &[u8]) -> Result<u32, Error> {
        if chunk.iter().all(|byte| *byte == 0) {
            return Ok(HOLE);
        }
        let digest = Sha256::digest(chunk).into();
        if let Some(known) = self.chunks.get(&digest) {
            return Ok(*known);
        }
        let address = self.out.next_block()?;
        self.out.write(chunk)?;
        self.chunks.insert(digest, address);
        Ok(address)
    }
}

/// The runs of bytes that are no holes.
fn data_of(content: &dyn ReadAt) -> io::Result<Vec<Range<u64>>> {
    let mut data: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < content.size() {
        let extent = content.extent(at)?;
        let end = extent.range.end.max(at + 1);
        match (extent.kind, data.last_mut()) {
            (ExtentKind::Zero, _) => {}
            (ExtentKind::Data, Some(last)) if last.end == at => last.end = end,
            (ExtentKind::Data, _) => data.push(at..end),
        }
        at = end;
    }
    Ok(data)
}

/// The size of chunks, as a logarithm, with which data and table take the least room.
fn chunk_bits(size: u64, data: &[Range<u64>]) -> Option<u32> {
    let cost =
        |bits: &u32| with_data(data, *bits).count() as u64 * (1 << *bits) + size.div_ceil(1 << *bits) * 4;
    let sizes =
        (BLOCK.trailing_zeros()..=MAX_CHUNK_BITS).filter(|bits| size.div_ceil(1 << bits) <= MAX_ENTRIES);
    sizes.min_by_key(cost)
}

/// The numbers of the chunks that hold data, in order.
fn with_data(data: &[Range<u64>], bits: u32) -> impl Iterator<Item = u64> {
    let mut next = 0;
    data.iter().flat_map(move |range| {
        let behind = range.end.div_ceil(1 << bits);
        let first = (range.start >> bits).max(next);
        next = next.max(behind);
        first..behind
    })
}

/// Reads from the first byte to the last.
struct InOrder<'a> {
    content: &'a dyn ReadAt,
    at: u64,
}

impl Read for InOrder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read_at(self.at, buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_as_large_as_costs_the_least() {
        // A table of 2 MiB for blocks; of 2 KiB for chunks of 1 MiB, of which one is stored.
        let lastlog = std::slice::from_ref(&(0..4096));
        assert_eq!(chunk_bits(2 << 30, lastlog), Some(16));
        // Scattered blocks: what is stored around them counts for more than the table.
        let scattered: Vec<_> = (0..100).map(|number| number << 20..(number << 20) + 4096).collect();
        assert_eq!(chunk_bits(100 << 20, &scattered), Some(12));
        assert_eq!(chunk_bits(MAX_SIZE + 1, lastlog), None);
    }

    #[test]
    fn a_chunk_that_two_runs_touch_is_counted_once() {
        let data = [10..20, 30..40, 5000..20_000];
        assert_eq!(with_data(&data, 12).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(with_data(&data, 13).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
