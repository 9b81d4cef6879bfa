//! An initrd, or any newc cpio archive: its segments, and with `deep` what is in them.
//!
//! Without `deep` the heads of uncompressed segments are walked, and of a compressed one the first bytes
//! are unpacked: it is the last that is known, since only unpacking tells where it ends.
//! With `deep` [`bootwright_formats::initrd`] reads it all, as the kernel does.

mod contents;
mod files;
mod heads;

pub(crate) use contents::elf_architecture;

use std::io::{self, Read};
use std::sync::Arc;

use bootwright_formats::compression::Compression;

use crate::bytes::read;
use crate::node::{Firmware, Node, Severity};
use crate::recognise::{Found, Inner, Look};
use crate::source::{Source, Stream};

/// The name of the fact that lists the compressions of the segments.
pub(crate) const COMPRESSION: &str = "compression";
/// The name of the fact that lists drivers for a root, inside or built in.
pub(crate) const DRIVERS: &str = "drivers for a root";
/// The name of the fact that lists the releases whose modules are inside.
pub(crate) const MODULES_FOR: &str = "modules for";

/// Bytes of a compressed stream that are unpacked to see what is in it.
const PEEK: u64 = 512;

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    let head = read(source, 0, 16)?;
    let compression = Compression::detect(&head.0);
    let plain = head.has(0, b"070701") || head.has(0, b"070702");
    if !plain && !certain(&head.0, compression) {
        return Ok(None);
    }
    if !plain {
        let named =
            ["initrd", "initramfs"].iter().any(|name| look.name().trim_start_matches('.').starts_with(name));
        match peek(source, 0, compression)? {
            Peek::Archive => {}
            Peek::Sealed if named => {}
            other => return Ok(Some(compressed(source, look, compression, &other)?.into())),
        }
    }
    let mut node = Node::new("initrd", "initrd", source.size());
    node.boots(Firmware::Loader, None, "its kernel");
    let segments = heads::walk(source)?;
    heads::tell(&mut node, &segments);
    if look.deep {
        contents::look(&mut node, source);
    }
    let files = files::InitrdFiles(Arc::clone(source));
    Ok(Some(Found { node, inner: Inner::Files(Arc::new(files)) }))
}

/// Two bytes are little to go by: the rest of each magic has to be there, too.
fn certain(head: &[u8], compression: Compression) -> bool {
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
enum Peek {
    /// A cpio archive.
    Archive,
    /// Something else.
    Other(Vec<u8>),
    /// This program cannot unpack it.
    Sealed,
    /// It is broken.
    Broken(String),
}

fn peek(source: &Source, offset: u64, compression: Compression) -> io::Result<Peek> {
    peek_bytes(source, offset, compression, PEEK)
}

fn peek_bytes(source: &Source, offset: u64, compression: Compression, length: u64) -> io::Result<Peek> {
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

/// Bytes that are unpacked to recognise what a compressed file holds: the magics of disks and ISOs lie
/// within the first 72 KiB.
const RECOGNISED: u64 = 72 << 10;

/// A compressed file that is no initrd: what its start looks like is told.
fn compressed(source: &Source, look: &Look<'_>, compression: Compression, found: &Peek) -> io::Result<Node> {
    let mut node = Node::new("compressed", format!("compressed with {compression}"), source.size());
    match found {
        Peek::Broken(error) => {
            let what = format!("its {compression} stream is broken: {error}");
            node.problem(Severity::Error, 0, what, "copy it again, whole");
        }
        Peek::Other(_) => {
            if let Peek::Other(head) = peek_bytes(source, 0, compression, RECOGNISED)? {
                let head: Source = Arc::new(head);
                let inside = crate::recognise::recognise(&head, &Look { deep: false, ..*look })?.node;
                node.what = format!("compressed with {compression}: {}", inside.what);
                node.text("holds", inside.kind);
                node.needs("to be unpacked before it is of use; nothing further inside is read");
            }
        }
        Peek::Archive | Peek::Sealed => {
            node.needs("to be unpacked: this program does not know how");
        }
    }
    Ok(node)
}
