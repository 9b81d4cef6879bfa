//! Compressed files: `disk.img.xz`, `disk.qcow2.zst`, a kernel in gzip.
//!
//! Streams cannot be jumped about in, so a file is unpacked whole before anything inside is looked at, as far as
//! the [`Budget`] reaches. What unpacks to more is told by its first bytes.

mod peek;
mod unpack;

pub(crate) use peek::{Peek, certain, peek};

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use bootwright_formats::compression::Compression;

use crate::bytes::read;
use crate::node::{Node, Severity, size_text};
use crate::recognise::{Found, Inner, Look, recognise as recognise_inside};
use crate::source::Source;

/// How many bytes may still be unpacked in one inspection, however many compressed files lie in each other.
pub(crate) struct Budget {
    all: u64,
    left: Cell<u64>,
}

impl Budget {
    pub(crate) fn new(all: u64) -> Self {
        Self { all, left: Cell::new(all) }
    }
}

/// Bytes that are unpacked to recognise what a compressed file holds: the magics of disks and ISOs lie
/// within the first 72 KiB.
const RECOGNISED: u64 = 72 << 10;

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    let head = read(source, 0, 16)?;
    let compression = Compression::detect(&head.0);
    if !certain(&head.0, compression) {
        return Ok(None);
    }
    let mut node = Node::new("compressed", format!("compressed with {compression}"), source.size());
    if !compression.can_decode() {
        node.needs(format!("to be unpacked first: {compression} is not unpacked here"));
        return Ok(Some(node.into()));
    }
    let Some(budget) = look.unpack else {
        begins(&mut node, source, compression, look)?;
        return Ok(Some(node.into()));
    };
    let unpacked = unpack::unpack(source, budget.left.get())?;
    budget.left.set(budget.left.get().saturating_sub(unpacked.inside.size()));
    match unpacked.end {
        unpack::End::Whole => {}
        unpack::End::TooLarge => {
            begins(&mut node, source, compression, look)?;
            let what = format!("it is not looked into: it unpacks to more than {}", size_text(budget.all));
            let remedy =
                if look.deep { "unpack it first" } else { "inspect it with --deep, or unpack it first" };
            node.problem(Severity::Note, None, what, remedy);
            return Ok(Some(node.into()));
        }
        unpack::End::Broken { offset, error } => {
            let what = format!(
                "its {compression} stream is broken here, {} bytes are unpacked: {error}",
                unpacked.inside.size()
            );
            node.problem(Severity::Error, offset, what, "copy it again, whole");
            if unpacked.inside.size() == 0 {
                return Ok(Some(node.into()));
            }
        }
    }
    node.bytes("unpacked", unpacked.inside.size());
    Ok(Some(Found { node, inner: Inner::Whole(unpacked.inside) }))
}

/// What its first bytes look like.
fn begins(node: &mut Node, source: &Source, compression: Compression, look: &Look<'_>) -> io::Result<()> {
    match peek::peek_bytes(source, 0, compression, RECOGNISED)? {
        Peek::Other(head) => {
            let head: Source = Arc::new(head);
            let inside = recognise_inside(&head, &Look { deep: false, unpack: None, ..*look })?.node;
            node.what = format!("compressed with {compression}: {}", inside.what);
            node.text("holds", inside.kind);
        }
        Peek::Broken(error) => {
            let what = format!("its {compression} stream is broken: {error}");
            node.problem(Severity::Error, 0, what, "copy it again, whole");
        }
        Peek::Archive | Peek::Sealed => {}
    }
    Ok(())
}
