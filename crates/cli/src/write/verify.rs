//! Reading back, from the medium and not from memory.
//!
//! Every piece that holds data is read with O_DIRECT and compared by its digest. Where a file system knows no
//! O_DIRECT, the pages are dropped first. Holes are not read: the device was told to zero them, and said
//! that it did.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::disks::{ContentDigest, PIECE};
use crate::failure::{Failure, Kind};

/// What O_DIRECT wants buffers and offsets to be multiples of: the largest sector there is.
const ALIGN: usize = 4096;

/// Compares what is on `path` with the digests of the pieces of a disk of `size` bytes.
pub fn verify(path: &Path, size: u64, pieces: &BTreeMap<u64, ContentDigest>) -> Result<(), Failure> {
    let unreadable =
        |error| Failure::message(Kind::Environment, format!("reading back {}: {error}", path.display()));
    let file = open(path).map_err(unreadable)?;
    // An aligned part of a larger buffer.
    let mut buffer = vec![0; PIECE as usize + ALIGN];
    let skip = buffer.as_ptr().align_offset(ALIGN).min(ALIGN);
    for (number, digest) in pieces {
        let at = number * PIECE;
        let length = PIECE.min(size - at) as usize;
        let room = buffer.get_mut(skip..skip + PIECE as usize).unwrap_or_default();
        let there = read(&file, at, room, length).map_err(unreadable)?;
        if ContentDigest::of(there) != *digest {
            let what = format!(
                "{}: bytes {at} to {} are not what was written: the medium is bad",
                path.display(),
                at + length as u64
            );
            return Err(Failure::message(Kind::Bad, what));
        }
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    if let Ok(file) = OpenOptions::new().read(true).custom_flags(direct).open(path) {
        return Ok(file);
    }
    let file = File::open(path)?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(file)
}

/// Whole sectors are asked for; a file may end before.
fn read<'a>(file: &File, at: u64, buffer: &'a mut [u8], length: usize) -> io::Result<&'a [u8]> {
    let wanted = length.next_multiple_of(ALIGN).min(buffer.len());
    let mut filled = 0;
    while filled < length {
        let rest = buffer.get_mut(filled..wanted).unwrap_or_default();
        match file.read_at(rest, at + filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..length).unwrap_or_default())
}
