//! The bytes of a file: blocks one behind the other, and the end of it in a fragment that it shares with others.
//!
//! ```text
//! block list:      u32 each: length on disk, 1 << 24 when it is not compressed; 0: a hole
//! fragment table:  u64 each: a piece with 512 of   0 start u64   8 length u32, as in a block list   12 nothing
//! ```

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::Volume;
use super::error::{Error, Result, damaged};
use super::inode::{Inode, Kind};
use super::metadata::Cursor;
use super::unpack::unpack;
use crate::fields::{u32_le, u64_le};
use crate::{Extent, ExtentKind, ReadAt};

/// The most blocks of one file, whose places are held in memory: 128 GiB of 128 KiB each, the usual size.
const MAX_BLOCKS: u64 = 1 << 20;
const STORED: u32 = 1 << 24;
/// Entries of the fragment table in a piece.
const FRAGMENTS: u64 = 512;

/// Where bytes lie in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: u64,
    /// As on disk; 0 for a hole.
    length: u32,
}

/// The content of a file. The block that was unpacked last is kept.
pub struct File {
    volume: Arc<Volume>,
    size: u64,
    blocks: Vec<Place>,
    /// The fragment with the file's end, and where in it that begins.
    end: Option<(Place, usize)>,
    last: Mutex<Option<(Place, Arc<Vec<u8>>)>>,
}

impl File {
    pub(super) fn open(volume: Arc<Volume>, inode: &Inode) -> Result<Self> {
        let block = u64::from(volume.superblock.block_size);
        let count = match inode.fragment {
            Some(_) => inode.size / block,
            None => inode.size.div_ceil(block),
        };
        if inode.kind != Kind::File || count > MAX_BLOCKS {
            return Err(damaged(format!("a file of {count} blocks"), inode.start));
        }
        let list = inode.behind(&volume)?.take(count as usize * 4)?;
        let mut at = inode.start;
        let mut blocks = Vec::with_capacity(count as usize);
        for entry in list.chunks_exact(4) {
            let length = u32_le(entry, 0).unwrap_or(0);
            blocks.push(Place { at, length });
            at = at.saturating_add((length & !STORED).into());
        }
        let end = inode.fragment.map(|number| fragment(&volume, number)).transpose()?;
        let end = end.map(|place| (place, inode.offset as usize));
        Ok(Self { volume, size: inode.size, blocks, end, last: Mutex::new(None) })
    }

    fn block_size(&self) -> usize {
        self.volume.superblock.block_size as usize
    }

    /// What lies at a place, unpacked.
    fn unpacked(&self, place: Place) -> Result<Arc<Vec<u8>>> {
        let lock = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = lock().as_ref().filter(|(kept, _)| *kept == place) {
            return Ok(Arc::clone(bytes));
        }
        let length = (place.length & !STORED) as usize;
        if length > self.block_size() {
            return Err(damaged(format!("a block that takes {length} bytes"), place.at));
        }
        let bytes = match place.length & STORED {
            0 => unpack(&self.volume, place.at, length, self.block_size())?,
            _ => self.volume.bytes(place.at, length)?,
        };
        let bytes = Arc::new(bytes);
        *lock() = Some((place, Arc::clone(&bytes)));
        Ok(bytes)
    }

    /// Reads some of the bytes at `offset`; none at the end.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let block = self.block_size() as u64;
        let (number, within) = (offset / block, (offset % block) as usize);
        let left = (self.size.saturating_sub(offset)).min(block - within as u64) as usize;
        let most = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let place = usize::try_from(number).ok().and_then(|number| self.blocks.get(number));
        let (place, start) = match (place, self.end) {
            (Some(Place { length: 0, .. }), _) => {
                buffer.fill(0);
                return Ok(most);
            }
            (Some(place), _) => (*place, within),
            (None, Some((place, start))) => (place, start.saturating_add(within)),
            (None, None) => return Ok(0),
        };
        let bytes = self.unpacked(place)?;
        let found = bytes.get(start..).and_then(|bytes| bytes.get(..most));
        let found =
            found.ok_or_else(|| damaged(format!("a block of {} bytes, too few", bytes.len()), place.at))?;
        buffer.copy_from_slice(found);
        Ok(most)
    }
}

fn fragment(volume: &Volume, number: u32) -> Result<Place> {
    let table = volume.superblock.fragment_table;
    if number >= volume.superblock.fragments {
        return Err(damaged(format!("there is no fragment {number}"), table));
    }
    let number = u64::from(number);
    let piece = u64_le(&volume.bytes(table.saturating_add(number / FRAGMENTS * 8), 8)?, 0).unwrap_or(0);
    let entry = Cursor::new(volume, piece, (number % FRAGMENTS * 16) as usize).take(16)?;
    Ok(Place { at: u64_le(&entry, 0).unwrap_or(0), length: u32_le(&entry, 8).unwrap_or(0) })
}

impl ReadAt for File {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(offset, buffer).map_err(|error: Error| error.into())
    }

    /// Blocks that are not there.
    fn extent(&self, offset: u64) -> io::Result<Extent> {
        if offset >= self.size {
            return Ok(Extent { range: offset..offset, kind: ExtentKind::Data });
        }
        let block = self.block_size() as u64;
        let is_hole = |number: u64| {
            let place = usize::try_from(number).ok().and_then(|number| self.blocks.get(number));
            place.is_some_and(|place| place.length == 0)
        };
        let first = offset / block;
        let hole = is_hole(first);
        let behind = (first + 1..self.size.div_ceil(block)).find(|number| is_hole(*number) != hole);
        let end = behind.map_or(self.size, |number| number * block);
        Ok(Extent { range: offset..end, kind: if hole { ExtentKind::Zero } else { ExtentKind::Data } })
    }
}
