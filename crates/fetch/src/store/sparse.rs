//! A file that is written by position, with holes where nothing was written.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;

/// Most buffers in one pwritev(2): IOV_MAX of Linux.
const IOV_MAX: usize = 1024;

/// Bytes per write of zeros on file systems that cannot punch holes.
const ZEROS: u64 = 64 << 10;

/// Whether nothing was ever written in `range`.
pub(super) fn is_hole(file: &File, range: Range<u64>) -> io::Result<bool> {
    // The shared file position moves; nothing here depends on it.
    match rustix::fs::seek(file, SeekFrom::Data(range.start)) {
        Ok(data) => Ok(data >= range.end),
        Err(Errno::NXIO) => Ok(true),
        // A file system without SEEK_DATA: everything has to be looked at.
        Err(Errno::INVAL) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes `pieces`, one after the other, without a copy of the bytes in between.
pub(super) fn write_at(file: &File, mut offset: u64, pieces: &[Bytes]) -> io::Result<()> {
    for pieces in pieces.chunks(IOV_MAX) {
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = slices.as_mut_slice();
        // Drops empty slices at the front, so that a write of nothing is an error below.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::pwritev(file, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Makes `range` read as zeros, without room where the file system can.
pub(super) fn write_zeros(file: &File, range: Range<u64>) -> io::Result<()> {
    if range.is_empty() || is_hole(file, range.clone())? {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(file, flags, range.start, range.end - range.start) {
        Ok(()) => return Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    let zeros = vec![0; ZEROS.min(range.end - range.start) as usize];
    let mut at = range.start;
    while at < range.end {
        let now = (range.end - at).min(zeros.len() as u64);
        file.write_all_at(zeros.get(..now as usize).unwrap_or(&zeros), at)?;
        at += now;
    }
    Ok(())
}
