//! What the first bytes of a compressed stream unpack to.

use std::io::{self, Read as _};
use std::sync::Arc;

use bootwright_formats::compression::Compression;

use crate::source::{Source, Stream};

/// Bytes of a compressed stream that are unpacked to see what is in it.
const PEEK: u64 = 512;

/// Two bytes are little to go by: the rest of each magic has to be there, too.
pub(crate) fn certain(head: &[u8], compression: Compression) -> bool {
    match compression {
        Compression::None => false,
        Compression::Gzip => head.get(2) == Some(&8),
        Compression::Bzip2 => head.get(4..10) == Some(b"1AY&SY"),
        Compression::Lzma => {
            head.get(2..5).is_some_and(|rest| rest.first() == Some(&0) && rest.last() != Some(&0xff))
        }
        Compression::Xz => head.get(2..6) == Some(b"zXZ\0"),
        Compression::Lzo => head.get(2..9) == Some(b"ZO\0\r\n\x1a\n"),
        Compression::Lz4Legacy => head.get(2..4) == Some(b"\x4c\x18"),
        Compression::Zstd => head.get(2..4) == Some(b"\x2f\xfd"),
    }
}

/// What the first bytes of a compressed stream are.
pub(crate) enum Peek {
    /// A cpio archive.
    Archive,
    /// Something else.
    Other(Vec<u8>),
    /// This program cannot unpack it.
    Sealed,
    /// It is broken.
    Broken(String),
}

pub(crate) fn peek(source: &Source, offset: u64, compression: Compression) -> io::Result<Peek> {
    peek_bytes(source, offset, compression, PEEK)
}

pub(super) fn peek_bytes(
    source: &Source,
    offset: u64,
    compression: Compression,
    length: u64,
) -> io::Result<Peek> {
    if !compression.can_decode() {
        return Ok(Peek::Sealed);
    }
    let mut head = Vec::new();
    let unpacked = compression
        .decoder(Stream::sparse(Arc::clone(source), offset))
        .and_then(|decoder| decoder.take(length).read_to_end(&mut head));
    Ok(match unpacked {
        Err(error) if head.is_empty() => Peek::Broken(error.to_string()),
        _ if head.starts_with(b"070701") || head.starts_with(b"070702") => Peek::Archive,
        _ => Peek::Other(head),
    })
}
