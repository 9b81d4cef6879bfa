//! A whole initrd, walked as the kernel walks it (`init/initramfs.c`).
//!
//! ```text
//! segment   an uncompressed cpio archive (early microcode is one), starting at a multiple of 4,
//!           or one gzip member / xz stream / Zstandard frame / LZ4 legacy frame of such archives
//! padding   any number of NUL bytes
//! segment   …
//! ```
//!
//! The kernel asks of a compressed segment that a cpio member ends where it ends; so does the
//! [`Reader`]. An LZ4 legacy frame has no end mark: four NULs or the end of the file must follow.
//!
//! Not supported: bzip2, lzma and lzop segments, which are refused by name.

mod reader;
mod source;

use std::io;

use crate::compression::Compression;
use crate::cpio;

pub use reader::{Entry, Reader};

/// The most bytes that the compressed segments together may unpack to, unless [`Reader::with_limit`]
/// says other: an initrd lies in memory, and nobody means to unpack more than this of it. It bounds the
/// time that a decompression bomb can take.
pub const MAX_UNPACKED: u64 = 64 << 30;

/// The most segments of an initrd: bounds the list of them. A writer that packs in parallel makes one
/// per piece of some hundred kilobytes.
pub const MAX_SEGMENTS: usize = 65_536;

/// What was found out about a segment. Lengths and the number of entries are final once the reader has
/// left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts, in bytes from the start of the initrd.
    pub offset: u64,
    /// Bytes that it takes in the initrd, padding behind it not counted.
    pub length: u64,
    /// How it is compressed.
    pub compression: Compression,
    /// Bytes of cpio archive in it.
    pub unpacked: u64,
    /// Members in it, trailers not counted.
    pub entries: u64,
}

/// Why an initrd is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file failed.
    #[error("initrd: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: io::Error,
    },
    /// Bytes that start no segment.
    #[error(
        "initrd: no segment starts at offset {offset}: found {found:02x?}, which the kernel does not know"
    )]
    Unknown {
        /// Where.
        offset: u64,
        /// The bytes there.
        found: Vec<u8>,
    },
    /// An uncompressed archive where the kernel does not look for one.
    #[error(
        "initrd: the archive at offset {offset} does not start at a multiple of 4: pad what is before it"
    )]
    Misplaced {
        /// Where it starts.
        offset: u64,
    },
    /// A compression that this library does not unpack.
    #[error("initrd: the segment at offset {offset} is {compression}: pack it again with zstd, xz or gzip")]
    Unsupported {
        /// Where the segment starts.
        offset: u64,
        /// How it is compressed.
        compression: Compression,
    },
    /// The archive in a segment is broken. Its offsets count from the segment's start, unpacked.
    #[error("initrd: the segment at offset {offset} ({compression}) is broken")]
    Segment {
        /// Where the segment starts.
        offset: u64,
        /// How it is compressed.
        compression: Compression,
        /// What is wrong with it.
        source: cpio::Error,
    },
    /// More than the limit.
    #[error("initrd: the segment at offset {offset} goes beyond the limit of {limit} unpacked bytes")]
    TooLarge {
        /// Where the segment starts.
        offset: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// More than [`MAX_SEGMENTS`].
    #[error("initrd: more than {MAX_SEGMENTS} segments, the next one at offset {offset}")]
    TooManySegments {
        /// Where the one too many starts.
        offset: u64,
    },
}
