//! An image for Google Compute Engine: `disk.raw`, of whole GiB, as a sparse member of a tar of the old GNU
//! format, all in gzip.
//!
//! ```text
//!   header: type S, 386 four entries, 482 more follow?, 483 the file's size
//!   more:   21 entries, 504 more follow?
//!   entry:  offset (12), length (12); the last one is empty and at the file's end
//! ```
//!
//! The holes are those of the disk's extents; zeros in the data are left to gzip.

use std::io::{self, Write};
use std::ops::Range;

use super::super::blocks::{BATCH, Watch};
use super::super::sink::Options;
use super::gzip::Gzip;
use super::tar::{BLOCK, header, number, seal};
use crate::fields::put;
use crate::{ExtentKind, ReadAt};

const GIB: u64 = 1 << 30;

/// Entries in the header, and in each block that goes on.
const FIRST: usize = 4;
const FURTHER: usize = 21;

/// Writes the disk. Nothing is written twice.
///
/// # Errors
/// What reading and writing say.
pub fn write(
    source: &dyn ReadAt,
    to: &mut impl Write,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    let size = source.size().max(1).next_multiple_of(GIB);
    let data = data(source)?;
    let mut gzip = Gzip::new(to, options.threads);
    gzip.write(&map(&data, size, options.time))?;
    let mut done = 0;
    for range in &data {
        if range.start > done {
            watch.zeros(done..range.start);
        }
        copy(source, range, &mut gzip, watch)?;
        done = range.end.min(source.size());
    }
    if source.size() > done {
        watch.zeros(done..source.size());
    }
    gzip.write(&[0; 2 * BLOCK as usize])?;
    gzip.finish()
}

/// The parts that hold data, on whole batches, neighbours joined.
fn data(source: &dyn ReadAt) -> io::Result<Vec<Range<u64>>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < source.size() {
        let extent = source.extent(at)?;
        if extent.kind == ExtentKind::Data {
            let start = at / BATCH * BATCH;
            let end = extent.range.end.next_multiple_of(BATCH);
            match ranges.last_mut() {
                Some(last) if last.end >= start => last.end = last.end.max(end),
                _ => ranges.push(start..end),
            }
        }
        at = extent.range.end.max(at + 1);
    }
    Ok(ranges)
}

/// The header with the sparse map. Nothing reaches beyond the size: it is a multiple of a batch.
fn map(data: &[Range<u64>], size: u64, time: u64) -> Vec<u8> {
    let stored: u64 = data.iter().map(|range| range.end - range.start).sum();
    let mut entries: Vec<(u64, u64)> =
        data.iter().map(|range| (range.start, range.end - range.start)).collect();
    entries.push((size, 0));
    let (first, further) = entries.split_at(entries.len().min(FIRST));
    let mut archive = header("disk.raw", stored, b'S', time);
    put_entries(&mut archive, 386, first);
    put(&mut archive, 482, &[u8::from(!further.is_empty())]);
    put(&mut archive, 483, &number(size));
    seal(&mut archive);
    let blocks = further.len().div_ceil(FURTHER);
    for (index, entries) in further.chunks(FURTHER).enumerate() {
        let mut block = vec![0; BLOCK as usize];
        put_entries(&mut block, 0, entries);
        put(&mut block, 504, &[u8::from(index + 1 < blocks)]);
        archive.extend(block);
    }
    archive
}

fn put_entries(block: &mut [u8], at: usize, entries: &[(u64, u64)]) {
    for (index, (offset, length)) in entries.iter().enumerate() {
        put(block, at + index * 24, &number(*offset));
        put(block, at + index * 24 + 12, &number(*length));
    }
}

fn copy(
    source: &dyn ReadAt,
    range: &Range<u64>,
    to: &mut Gzip<'_, impl Write>,
    watch: &dyn Watch,
) -> io::Result<()> {
    let mut buffer = vec![0; BATCH as usize];
    for at in (range.start..range.end).step_by(BATCH as usize) {
        // A disk that is not of whole batches is filled up with zeros.
        let length = source.size().saturating_sub(at).min(BATCH) as usize;
        let (data, rest) = buffer.split_at_mut(length);
        source.read_exact_at(at, data)?;
        rest.fill(0);
        watch.data(at, data);
        to.write(&buffer)?;
    }
    Ok(())
}
