//! squashfs 4.0.
//!
//! Specification: the format of squashfs-tools. At byte 0, little-endian:
//!
//! ```text
//! 0 "hsqs"   4 inodes   8 mkfs_time   12 block_size   20 compression u16   24 flags u16   28 s_major u16
//! 30 s_minor u16   40 bytes_used u64
//! ```

use std::io;

use crate::bytes::{flags, read};
use crate::node::{Node, Severity};
use crate::source::Source;

const FLAGS: &[(u32, &str)] = &[
    (0x1, "uncompressed-inodes"),
    (0x2, "uncompressed-data"),
    (0x4, "check"),
    (0x8, "uncompressed-fragments"),
    (0x10, "no-fragments"),
    (0x20, "always-fragments"),
    (0x40, "duplicates-found"),
    (0x80, "exportable"),
    (0x100, "uncompressed-xattrs"),
    (0x200, "no-xattrs"),
    (0x400, "compressor-options"),
    (0x800, "uncompressed-ids"),
];

/// The compressors, with the option that a kernel must have been built with.
const COMPRESSORS: [(&str, &str); 6] = [
    ("gzip", "CONFIG_SQUASHFS_ZLIB"),
    ("lzma", ""),
    ("lzo", "CONFIG_SQUASHFS_LZO"),
    ("xz", "CONFIG_SQUASHFS_XZ"),
    ("lz4", "CONFIG_SQUASHFS_LZ4"),
    ("zstd", "CONFIG_SQUASHFS_ZSTD"),
];

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let block = read(source, 0, 96)?;
    if !block.has(0, b"hsqs") {
        return Ok(None);
    }
    let version = (block.le16(28).unwrap_or(0), block.le16(30).unwrap_or(0));
    let mut node =
        Node::new("squashfs", format!("squashfs file system {}.{}", version.0, version.1), source.size());
    if version != (4, 0) {
        let what = format!("version {}.{} of squashfs, Linux mounts only 4.0", version.0, version.1);
        node.problem(Severity::Error, 28, what, "make it again with mksquashfs 4");
        return Ok(Some(node));
    }
    super::filled(&mut node, block.le64(40).unwrap_or(0), source);
    let number = block.le16(20).unwrap_or(0);
    match usize::from(number).checked_sub(1).and_then(|index| COMPRESSORS.get(index)) {
        Some((name, "")) => {
            node.text("compressor", *name);
            let what = format!("compressed with {name}, which no released Linux mounts");
            node.problem(Severity::Error, 20, what, "make it again with mksquashfs -comp zstd");
        }
        Some((name, option)) => {
            node.text("compressor", *name);
            node.needs(format!("a kernel with squashfs and {name} ({option})"));
        }
        None => {
            let what = format!("compressor {number} is unknown");
            node.problem(Severity::Error, 20, what, "make it again with mksquashfs");
        }
    }
    node.bytes("block size", block.le32(12).unwrap_or(0));
    node.number("inodes", block.le32(4).unwrap_or(0));
    node.time("made", block.le32(8).unwrap_or(0));
    node.list("flags", flags(block.le16(24).unwrap_or(0).into(), FLAGS));
    Ok(Some(node))
}
