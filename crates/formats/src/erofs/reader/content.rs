//! The bytes of a file.
//!
//! ```text
//! flat       blocks one after the other; with inline data, the last part of a block is behind the inode
//! chunks     behind the inode an address for each chunk, u32 or (advise u16, device u16, address u32);
//!            all ones: a hole
//! packed     behind the inode a header and an index of extents (see `index`)
//! fragment   a file's last bytes, or all of it, are a part of the packed inode's content
//! ```

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::{Error, Result, damaged};
use super::index::{Index, Place};
use super::inode::Layout;
use super::unpack::unpack;
use super::{Inode, Volume};
use crate::fields::{u16_le, u32_le};
use crate::{Extent, ExtentKind, ReadAt};

/// `EROFS_NULL_ADDR`: a chunk that is a hole.
const HOLE: u32 = u32::MAX;
/// `i_u.c.format`: how many blocks a chunk has, as a logarithm; whether an entry has eight bytes.
const CHUNK_BITS: u32 = 0x1f;
const CHUNK_INDEXES: u32 = 0x20;

/// Whether a file may have parts in the packed inode: that one itself may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fragments {
    Allowed,
    Refused,
}

/// Where a file's bytes are. The extent that was unpacked last is kept.
pub(super) struct Content {
    size: u64,
    layout: Bytes,
    last: Mutex<Option<Unpacked>>,
}

enum Bytes {
    Empty,
    /// Blocks at `start`; from `tail` on (of the file) they are at `inline`.
    Flat {
        start: u64,
        tail: u64,
        inline: u64,
    },
    Chunks {
        table: u64,
        bits: u32,
        wide: bool,
    },
    Packed(Index),
}

/// What an extent unpacks to, and where in the file that begins.
#[derive(Clone)]
struct Unpacked {
    start: u64,
    bytes: Arc<[u8]>,
}

/// A run of bytes of a file, as far as it is stored alike.
enum Run {
    Stored {
        at: u64,
        length: u64,
    },
    Hole {
        length: u64,
    },
    Unpacked(Unpacked),
    /// Bytes of the packed inode.
    Fragment {
        at: u64,
        length: u64,
    },
}

impl Content {
    pub(super) fn open(volume: &Volume, inode: &Inode, fragments: Fragments) -> Result<Self> {
        let layout = match inode.layout {
            _ if inode.size == 0 => Bytes::Empty,
            Layout::FlatPlain | Layout::FlatInline => flat(volume, inode)?,
            Layout::ChunkBased => chunks(volume, inode)?,
            Layout::CompressedFull | Layout::CompressedCompact => {
                let index = Index::open(volume, inode)?;
                if fragments == Fragments::Refused && index.has_fragment() {
                    let problem = "the inode that holds the fragments is in fragments itself: it is";
                    return Err(damaged(problem, inode.offset));
                }
                Bytes::Packed(index)
            }
        };
        Ok(Self { size: inode.size, layout, last: Mutex::new(None) })
    }

    /// The run that begins at `offset`, which is within the file.
    fn run(&self, volume: &Volume, offset: u64) -> Result<Run> {
        match &self.layout {
            Bytes::Empty => Ok(Run::Hole { length: self.size - offset }),
            Bytes::Flat { start, tail, .. } if offset < *tail => {
                Ok(Run::Stored { at: start + offset, length: tail - offset })
            }
            Bytes::Flat { tail, inline, .. } => {
                Ok(Run::Stored { at: inline + (offset - tail), length: self.size - offset })
            }
            Bytes::Chunks { table, bits, wide } => self.chunk(volume, (*table, *bits, *wide), offset),
            Bytes::Packed(index) => self.extent(volume, index, offset),
        }
    }

    fn chunk(&self, volume: &Volume, (table, bits, wide): (u64, u32, bool), offset: u64) -> Result<Run> {
        let number = offset >> bits;
        let within = offset - (number << bits);
        let length = (1_u64 << bits).min(self.size - (number << bits)) - within;
        let at = table + number * if wide { 8 } else { 4 };
        let entry = volume.bytes(at, if wide { 8 } else { 4 })?;
        let address = u32_le(&entry, if wide { 4 } else { 0 }).unwrap_or(HOLE);
        if address == HOLE {
            return Ok(Run::Hole { length });
        }
        let device = if wide { u16_le(&entry, 2).unwrap_or(0) } else { 0 };
        let start = u64::from(address) << volume.superblock.block_bits;
        if device != 0 || volume.superblock.extra_devices > 0 && start >= volume.image.size() {
            let what = format!("a chunk is on another device (number {device})");
            return Err(Error::Unsupported { what, offset: at });
        }
        Ok(Run::Stored { at: start + within, length })
    }

    fn extent(&self, volume: &Volume, index: &Index, offset: u64) -> Result<Run> {
        let lock = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |kept: &&Unpacked| (kept.start..kept.start + kept.bytes.len() as u64).contains(&offset);
        if let Some(kept) = lock().as_ref().filter(holds) {
            return Ok(Run::Unpacked(kept.clone()));
        }
        let extent = index.extent(volume, offset)?;
        let within = offset - extent.range.start;
        let length = extent.range.end - offset;
        Ok(match extent.place {
            Place::Stored { at } => Run::Stored { at: at + within, length },
            Place::Rotated { block } => {
                // A byte is where it would be in a block of the file.
                let size = volume.block_size();
                let place = offset % size;
                Run::Stored { at: block + place, length: length.min(size - place) }
            }
            Place::Fragment { at } => Run::Fragment { at: at + within, length },
            Place::Packed(packed) => {
                // Bounded by `index::MAX_EXTENT`.
                let size = (extent.range.end - extent.range.start) as usize;
                let bytes = unpack(volume, &packed, size)?;
                let unpacked = Unpacked { start: extent.range.start, bytes: bytes.into() };
                *lock() = Some(unpacked.clone());
                Run::Unpacked(unpacked)
            }
        })
    }

    /// Reads some of the bytes at `offset`; none at the end.
    fn read(&self, volume: &Volume, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let shorten = |length: u64| most.min(usize::try_from(length).unwrap_or(usize::MAX));
        match self.run(volume, offset)? {
            Run::Stored { at, length } => {
                let part = buffer.get_mut(..shorten(length)).unwrap_or_default();
                volume.image.read_exact_at(at, part).map_err(|source| Error::Read { offset: at, source })?;
                Ok(part.len())
            }
            Run::Hole { length } => {
                let part = buffer.get_mut(..shorten(length)).unwrap_or_default();
                part.fill(0);
                Ok(part.len())
            }
            Run::Unpacked(Unpacked { start, bytes }) => {
                let from = bytes.get((offset - start) as usize..).unwrap_or_default();
                let count = from.len().min(most);
                buffer.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                Ok(count)
            }
            Run::Fragment { at, length } => {
                let part = buffer.get_mut(..shorten(length)).unwrap_or_default();
                volume.packed()?.fill(volume, at, part)?;
                Ok(part.len())
            }
        }
    }

    /// Fills `buffer` from `offset` on.
    pub(super) fn fill(&self, volume: &Volume, mut offset: u64, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            let count = self.read(volume, offset, buffer)?;
            if count == 0 {
                let source = io::ErrorKind::UnexpectedEof.into();
                return Err(Error::Read { offset, source });
            }
            offset += count as u64;
            buffer = buffer.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }
}

/// As the kernel: with inline data, the last block, or what there is of it, is behind the inode.
fn flat(volume: &Volume, inode: &Inode) -> Result<Bytes> {
    let block = volume.block_size();
    let start = u64::from(inode.union) << volume.superblock.block_bits;
    if inode.layout == Layout::FlatPlain {
        return Ok(Bytes::Flat { start, tail: inode.size, inline: 0 });
    }
    let (tail, inline) = ((inode.size - 1) / block * block, inode.behind());
    if inline % block + (inode.size - tail) > block {
        return Err(damaged(format!("the inline data of inode {} crosses a block's end", inode.nid), inline));
    }
    Ok(Bytes::Flat { start, tail, inline })
}

fn chunks(volume: &Volume, inode: &Inode) -> Result<Bytes> {
    let format = inode.union & 0xffff;
    let offset = inode.offset + 16;
    if format & !(CHUNK_BITS | CHUNK_INDEXES) != 0 {
        return Err(Error::Unsupported { what: format!("chunks of the form {format:#x}"), offset });
    }
    let wide = format & CHUNK_INDEXES != 0;
    let table = inode.behind().next_multiple_of(if wide { 8 } else { 4 });
    Ok(Bytes::Chunks { table, bits: u32::from(volume.superblock.block_bits) + (format & CHUNK_BITS), wide })
}

/// The content of a file.
pub struct File {
    volume: Arc<Volume>,
    content: Content,
}

impl File {
    pub(super) fn new(volume: Arc<Volume>, content: Content) -> Self {
        Self { volume, content }
    }
}

impl ReadAt for File {
    fn size(&self) -> u64 {
        self.content.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.content.read(&self.volume, offset, buffer)?)
    }

    /// Only files in chunks have holes.
    fn extent(&self, offset: u64) -> io::Result<Extent> {
        let data = |end| Extent { range: offset..end, kind: ExtentKind::Data };
        if offset >= self.size() {
            return Ok(data(offset));
        }
        let Bytes::Chunks { .. } = self.content.layout else { return Ok(data(self.size())) };
        Ok(match self.content.run(&self.volume, offset)? {
            Run::Hole { length } => Extent { range: offset..offset + length, kind: ExtentKind::Zero },
            Run::Stored { length, .. } => data(offset + length),
            Run::Unpacked(_) | Run::Fragment { .. } => data(self.size()),
        })
    }
}
