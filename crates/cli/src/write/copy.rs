//! The data, and zeros where old data would show through the image's holes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use bootwright_formats::ReadAt;
use bootwright_formats::disk::{Blocks, Units, Watch};
use rustix::fs::{FallocateFlags, fallocate};

/// What is skipped when it is zeros.
const UNIT: u64 = 4096;

/// Shorter runs of zeros are written: telling the device costs more.
const MIN_HOLE: u64 = 1 << 20;

/// The two copies of a partition table and an LVM label or RAID superblock lie within this of the ends.
const TAIL: u64 = 1 << 20;

/// The very end of a device of `size` bytes behind the first `used` ones, which is to be wiped: a table that was there
/// would be taken for a copy of the new one.
pub fn tail(size: u64, used: u64) -> Range<u64> {
    size.saturating_sub(TAIL).max(used)..size
}

/// Writes the disk to the start of `to`, and wipes `tail`.
pub fn copy(
    disk: &dyn ReadAt,
    to: &File,
    tail: Range<u64>,
    threads: usize,
    watch: &dyn Watch,
) -> io::Result<()> {
    let mut done = 0;
    let end = disk.size();
    Blocks { source: disk, unit: UNIT, threads, watch }.each(|index, units| {
        let (Units::Plain(bytes) | Units::Packed(bytes)) = units;
        let at = index * UNIT;
        zero(to, done, at)?;
        // The last unit was filled up with zeros.
        let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(bytes.len());
        to.write_all_at(bytes.get(..length).unwrap_or_default(), at)?;
        done = at + length as u64;
        Ok(())
    })?;
    zero(to, done, end)?;
    write_zeros(to, tail.start, tail.end)?;
    to.sync_all()
}

/// Makes `start..end` read as zeros. A hole frees the flash below; a device that cannot promise that its holes
/// are zeros says so, and is told to zero them; one that cannot do this either is written to.
pub fn zero(to: &File, start: u64, end: u64) -> io::Result<()> {
    // Devices take whole sectors only, of which the largest have 4096 bytes.
    let (first, last) = (start.next_multiple_of(UNIT), end - end % UNIT);
    if end.saturating_sub(start) < MIN_HOLE || last <= first {
        return write_zeros(to, start, end);
    }
    for kind in [FallocateFlags::PUNCH_HOLE, FallocateFlags::ZERO_RANGE] {
        if fallocate(to, kind | FallocateFlags::KEEP_SIZE, first, last - first).is_ok() {
            write_zeros(to, start, first)?;
            return write_zeros(to, last, end);
        }
    }
    write_zeros(to, start, end)
}

fn write_zeros(to: &File, start: u64, end: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = start;
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(zeros.len());
        to.write_all_at(zeros.get(..length).unwrap_or_default(), at)?;
        at += length as u64;
    }
    Ok(())
}
