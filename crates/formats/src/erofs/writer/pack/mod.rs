//! The data of a file becomes extents: runs of bytes, each compressed into whole blocks or kept as they are.
//!
//! A file is cut into segments that know nothing of each other, so that they can be packed by several
//! threads and come out the same whatever their number. Within one, every physical cluster is filled to its
//! end as far as the compressor can; the last bytes of a file go behind its inode when they fit there.

mod compressor;
mod cut;
mod pool;

pub(super) use compressor::{Compressor, ZSTD_WINDOW_LOG};
pub(super) use pool::{Batch, Pool};

use std::io;

use super::BLOCK;
use crate::erofs::disk::SLOT;

/// Compressors that the format knows and this writer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// LZ4, by the encoder LZ4HC.
    Lz4,
    /// Raw deflate; Linux 6.6 and later.
    Deflate,
    /// Zstandard; Linux 6.10 and later.
    Zstd,
}

impl Algorithm {
    /// `Z_EROFS_COMPRESSION_…`.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Lz4 => 0,
            Self::Deflate => 2,
            Self::Zstd => 3,
        }
    }
}

/// The most bytes of compressed data that are read to get at one byte: as mkfs.erofs -C65536.
pub(super) const MAX_PCLUSTER: usize = 64 << 10;
/// The most bytes that one extent unpacks to: what a reader of its last byte has to unpack.
const MAX_EXTENT: usize = 1 << 20;
/// Files are packed in pieces of this size. Each costs half a block, and two of it in memory per thread.
pub(super) const SEGMENT: usize = 2 << 20;
/// A file's last block goes behind its inode when more of it than this would be empty.
const WORTH: usize = BLOCK / 4;
/// The most bytes behind an inode: wherever in its slot they start, they must not cross a block boundary.
const MAX_TAIL: usize = BLOCK - SLOT;
/// What the index of a single extent costs: header and one pack of two entries.
const INDEX: usize = 16;

/// A run of bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Bytes of the file.
    pub length: u32,
    /// Blocks that they take; none for bytes behind the inode.
    pub blocks: u16,
    pub kind: ExtentKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExtentKind {
    Plain,
    Compressed,
}

/// What became of a segment.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// Whole blocks.
    pub blocks: Vec<u8>,
    pub extents: Vec<Extent>,
    /// What goes behind the inode: the last extent.
    pub tail: Vec<u8>,
}

/// Whether more of the file follows a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Inner,
    Last,
}

/// Packs one segment. `Inner` ones are a multiple of the block size long.
pub(super) fn pack(compressor: Option<&mut Compressor>, segment: &[u8], place: Place) -> io::Result<Packed> {
    let mut packed = Packed::default();
    let Some(compressor) = compressor else {
        keep(&mut packed, segment, place);
        return Ok(packed);
    };
    compressor.forget();
    let mut rest = segment;
    while !rest.is_empty() {
        let taken = match place {
            Place::Last if rest.len() <= BLOCK => last_bytes(&mut packed, compressor, rest)?,
            _ => next(&mut packed, compressor, rest, place)?,
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(packed)
}

/// Keeps all bytes as they are.
fn keep(packed: &mut Packed, segment: &[u8], place: Place) {
    let whole = match place {
        Place::Inner => segment.len(),
        Place::Last => segment.len() / BLOCK * BLOCK,
    };
    let (blocks, tail) = segment.split_at(whole);
    plain(packed, blocks);
    if !tail.is_empty() {
        packed.extents.push(Extent { length: tail.len() as u32, blocks: 0, kind: ExtentKind::Plain });
        packed.tail = tail.to_vec();
    }
}

/// The next extents of more bytes than a block holds; how many bytes they take.
fn next(packed: &mut Packed, compressor: &mut Compressor, rest: &[u8], place: Place) -> io::Result<usize> {
    let window = rest.get(..MAX_EXTENT).unwrap_or(rest);
    let mut fit = compressor.fill(window, MAX_PCLUSTER)?;
    let ends = place == Place::Last && fit.taken == rest.len();
    if ends && fit.bytes.len() <= MAX_TAIL {
        return Ok(inline(packed, fit.taken, fit.bytes, ExtentKind::Compressed));
    }
    let padding = fit.bytes.len().next_multiple_of(BLOCK) - fit.bytes.len();
    let goes_on = fit.taken == window.len() && window.len() < rest.len();
    if (ends || goes_on) && padding > WORTH && fit.bytes.len() > BLOCK {
        // One block less; what it held goes behind the inode, or to the next extent.
        fit = compressor.shorten(window, &fit, fit.bytes.len() / BLOCK * BLOCK)?;
    }
    let blocks = fit.bytes.len().div_ceil(BLOCK);
    if blocks == 0 || blocks * BLOCK >= fit.taken {
        let whole = rest.get(..MAX_PCLUSTER).unwrap_or(rest);
        let whole = match place {
            Place::Inner => whole,
            Place::Last => whole.get(..whole.len() / BLOCK * BLOCK).unwrap_or(whole),
        };
        plain(packed, whole);
        return Ok(whole.len());
    }
    packed.blocks.resize(packed.blocks.len() + blocks * BLOCK - fit.bytes.len(), 0);
    packed.blocks.extend(&fit.bytes);
    let extent = Extent { length: fit.taken as u32, blocks: blocks as u16, kind: ExtentKind::Compressed };
    packed.extents.push(extent);
    Ok(fit.taken)
}

/// The end of a file, at most a block.
fn last_bytes(packed: &mut Packed, compressor: &mut Compressor, rest: &[u8]) -> io::Result<usize> {
    let fit = compressor.fill(rest, MAX_TAIL)?;
    if fit.taken == rest.len() && fit.bytes.len() + INDEX < rest.len() {
        return Ok(inline(packed, rest.len(), fit.bytes, ExtentKind::Compressed));
    }
    if rest.len() <= MAX_TAIL {
        return Ok(inline(packed, rest.len(), rest.to_vec(), ExtentKind::Plain));
    }
    plain(packed, rest);
    Ok(rest.len())
}

fn inline(packed: &mut Packed, length: usize, tail: Vec<u8>, kind: ExtentKind) -> usize {
    packed.extents.push(Extent { length: length as u32, blocks: 0, kind });
    packed.tail = tail;
    length
}

/// Bytes as they are, each block an extent, the last one padded.
fn plain(packed: &mut Packed, bytes: &[u8]) {
    for block in bytes.chunks(BLOCK) {
        let extent = Extent { length: block.len() as u32, blocks: 1, kind: ExtentKind::Plain };
        packed.extents.push(extent);
        packed.blocks.extend(block);
        packed.blocks.resize(packed.blocks.len().next_multiple_of(BLOCK), 0);
    }
}
