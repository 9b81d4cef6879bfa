//! The writer: version 3, clusters of 64 KiB.
//!
//! ```text
//!   header │ L1 table │ clusters, each L2 table behind its own │ refcount blocks │ refcount table
//! ```
//!
//! Everything is written once, from front to back, but for the L1 table and the header, which come last: a
//! file that was not finished has no magic.

use std::io::{self, Seek, Write};

use super::super::Format;
use super::super::blocks::{Blocks, Units, Watch};
use super::super::pack::Packing;
use super::super::sink::{Options, Sink, whole_sectors};
use super::header::CompressionType;
use crate::ReadAt;

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
const L2_ENTRIES: u64 = CLUSTER / 8;
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
/// Refcounts have 16 bits.
const REFCOUNTS: u64 = CLUSTER / 2;
/// An L1 table of 32 MiB is what QEMU takes.
const MAX_SIZE: u64 = (32 << 20) / 8 * L2_ENTRIES * CLUSTER;

/// Writes the disk, its clusters compressed if that is asked for. `to` must be empty.
///
/// # Errors
/// What reading and writing say; a disk that is empty, or larger than 2 PiB.
pub fn write(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    compression: Option<CompressionType>,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    let size = whole_sectors(Format::Qcow2, source, MAX_SIZE)?;
    let l1_entries = size.div_ceil(L2_ENTRIES * CLUSTER);
    let mut writer = Writer {
        sink: Sink::new(to)?,
        end: CLUSTER + (l1_entries * 8).next_multiple_of(CLUSTER),
        refcounts: Vec::new(),
        l1: vec![0; l1_entries as usize],
        l2: Vec::new(),
        table: 0,
    };
    writer.count(0, writer.end);
    let packing = compression.map(|compression| match compression {
        CompressionType::Zlib => Packing::Qcow2Zlib,
        CompressionType::Zstd => Packing::Zstd,
    });
    let blocks = Blocks { source, unit: CLUSTER, threads: options.threads, watch };
    blocks.each_packed(packing, |index, units| match units {
        Units::Plain(bytes) => writer.plain(index, bytes),
        Units::Packed(bytes) => writer.packed(index, bytes),
    })?;
    writer.finish(size, compression)
}

struct Writer<'a, W: Write + Seek> {
    sink: Sink<'a, W>,
    /// The first byte that is free.
    end: u64,
    /// Of each cluster of the file.
    refcounts: Vec<u16>,
    l1: Vec<u64>,
    /// The L2 table that is being filled; empty when nothing is in it.
    l2: Vec<u8>,
    /// Its number.
    table: u64,
}

impl<W: Write + Seek> Writer<'_, W> {
    fn plain(&mut self, index: u64, bytes: &[u8]) -> io::Result<()> {
        let mut index = index;
        let mut bytes = bytes;
        while !bytes.is_empty() {
            // Neighbours may belong to two tables.
            let room = (L2_ENTRIES - index % L2_ENTRIES) * CLUSTER;
            let count = bytes.len().min(room as usize);
            let (now, rest) = bytes.split_at(count);
            self.select(index / L2_ENTRIES)?;
            let at = self.align();
            self.sink.put(at, now)?;
            for number in 0..now.len() as u64 / CLUSTER {
                self.enter(index + number, COPIED | (at + number * CLUSTER));
            }
            self.grow(now.len() as u64);
            index += count as u64 / CLUSTER;
            bytes = rest;
        }
        Ok(())
    }

    fn packed(&mut self, index: u64, bytes: &[u8]) -> io::Result<()> {
        self.select(index / L2_ENTRIES)?;
        let at = self.end;
        let sectors = (at % 512 + bytes.len() as u64).div_ceil(512) - 1;
        self.enter(index, COMPRESSED | sectors << (62 - (CLUSTER_BITS - 8)) | at);
        self.sink.put(at, bytes)?;
        self.grow(bytes.len() as u64);
        Ok(())
    }

    fn enter(&mut self, index: u64, entry: u64) {
        let at = (index % L2_ENTRIES * 8) as usize;
        crate::fields::put(&mut self.l2, at, &entry.to_be_bytes());
    }

    /// Makes that L2 table the one that is filled.
    fn select(&mut self, table: u64) -> io::Result<()> {
        if self.table != table || self.l2.is_empty() {
            self.end_table()?;
            self.table = table;
            self.l2 = vec![0; CLUSTER as usize];
        }
        Ok(())
    }

    fn end_table(&mut self) -> io::Result<()> {
        if self.l2.is_empty() {
            return Ok(());
        }
        let at = self.align();
        let table = std::mem::take(&mut self.l2);
        self.sink.put(at, &table)?;
        self.grow(CLUSTER);
        if let Some(entry) = usize::try_from(self.table).ok().and_then(|table| self.l1.get_mut(table)) {
            *entry = COPIED | at;
        }
        Ok(())
    }

    fn align(&mut self) -> u64 {
        self.end = self.end.next_multiple_of(CLUSTER);
        self.end
    }

    /// Takes the next `length` bytes, and counts each cluster that they touch.
    fn grow(&mut self, length: u64) {
        self.count(self.end, self.end + length);
        self.end += length;
    }

    fn count(&mut self, start: u64, end: u64) {
        let (first, behind) = ((start / CLUSTER) as usize, end.div_ceil(CLUSTER) as usize);
        if self.refcounts.len() < behind {
            self.refcounts.resize(behind, 0);
        }
        for count in self.refcounts.get_mut(first..behind).unwrap_or_default() {
            *count += 1;
        }
    }

    fn finish(mut self, size: u64, compression: Option<CompressionType>) -> io::Result<()> {
        self.end_table()?;
        let blocks_at = self.align();
        let (blocks, table_clusters) = refcount_clusters(blocks_at / CLUSTER);
        let table_at = blocks_at + blocks * CLUSTER;
        self.grow((blocks + table_clusters) * CLUSTER);
        self.refcounts.resize((blocks * REFCOUNTS) as usize, 0);
        let counts = std::mem::take(&mut self.refcounts);
        for (number, block) in (0..).zip(counts.chunks(REFCOUNTS as usize)) {
            let block: Vec<u8> = block.iter().flat_map(|count| count.to_be_bytes()).collect();
            self.sink.put(blocks_at + number * CLUSTER, &block)?;
        }
        let table: Vec<u8> =
            (0..blocks).flat_map(|number| (blocks_at + number * CLUSTER).to_be_bytes()).collect();
        self.sink.put(table_at, &table)?;
        let l1: Vec<u8> = self.l1.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        self.sink.put(CLUSTER, &l1)?;
        let header = header(size, self.l1.len() as u32, (table_at, table_clusters as u32), compression);
        self.sink.put(0, &header)?;
        self.sink.finish(self.end)
    }
}

/// How many refcount blocks and how many clusters of their table are needed behind `used` clusters: both
/// are counted themselves.
fn refcount_clusters(used: u64) -> (u64, u64) {
    let (mut blocks, mut table) = (0, 0);
    loop {
        let needed = (used + blocks + table).div_ceil(REFCOUNTS);
        let needed_table = (needed * 8).div_ceil(CLUSTER);
        if (needed, needed_table) == (blocks, table) {
            return (blocks, table);
        }
        (blocks, table) = (needed, needed_table);
    }
}

fn header(size: u64, l1: u32, refcounts: (u64, u32), compression: Option<CompressionType>) -> Vec<u8> {
    let zstd = compression == Some(CompressionType::Zstd);
    let mut header = Vec::with_capacity(112);
    header.extend(b"QFI\xfb");
    header.extend(3u32.to_be_bytes());
    header.extend([0; 12]); // no backing file
    header.extend(CLUSTER_BITS.to_be_bytes());
    header.extend(size.to_be_bytes());
    header.extend([0; 4]); // not encrypted
    header.extend(l1.to_be_bytes());
    header.extend(CLUSTER.to_be_bytes());
    header.extend(refcounts.0.to_be_bytes());
    header.extend(refcounts.1.to_be_bytes());
    header.extend([0; 12]); // no snapshots
    header.extend(u64::from(zstd).wrapping_shl(3).to_be_bytes());
    header.extend([0; 16]);
    header.extend(4u32.to_be_bytes());
    header.extend(112u32.to_be_bytes());
    header.extend([u8::from(zstd), 0, 0, 0, 0, 0, 0, 0]);
    header.extend([0; 8]); // no extensions
    header
}
