//! An initrd, or any newc cpio archive: its segments, and with `deep` what is in them.
//!
//! Without `deep` the heads of uncompressed segments are walked, and of a compressed one the first bytes
//! are unpacked: it is the last that is known, since only unpacking tells where it ends.
//! With `deep` [`bootwright_formats::initrd`] reads it all, as the kernel does.

mod contents;
mod files;
mod heads;

pub(crate) use contents::elf_architecture;

use std::io;
use std::sync::Arc;

use bootwright_formats::compression::Compression;

use crate::bytes::read;
use crate::node::{Firmware, Node};
use crate::packed::{Peek, certain, peek};
use crate::recognise::{Found, Inner, Look};
use crate::source::Source;

/// The name of the fact that lists the compressions of the segments.
pub(crate) const COMPRESSION: &str = "compression";
/// The name of the fact that lists drivers for a root, inside or built in.
pub(crate) const DRIVERS: &str = "drivers for a root";
/// The name of the fact that says how many modules are inside, when it was unpacked.
pub(crate) const MODULES: &str = "modules";
/// The name of the fact that lists the releases whose modules are inside.
pub(crate) const MODULES_FOR: &str = "modules for";

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
            _ => return Ok(None),
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
