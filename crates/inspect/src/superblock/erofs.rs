//! EROFS.
//!
//! Specification: Linux, `fs/erofs/erofs_fs.h`. At byte 1024, little-endian:
//!
//! ```text
//! 0 magic 0xe0f5e1e2   4 checksum   8 feature_compat   12 blkszbits u8   16 inos u64   24 build_time u64   36 blocks
//! 48 uuid[16]   64 volume_name[16]   80 feature_incompat   84 available_compr_algs u16
//! 86 extra_devices u16
//! ```

use std::io;

use crate::bytes::{flags, read};
use crate::node::{Node, Severity};
use crate::source::Source;

const COMPAT: &[(u32, &str)] = &[
    (0x1, "sb_csum"),
    (0x2, "mtime"),
    (0x4, "xattr_filter"),
    (0x8, "shared_ea_in_metabox"),
    (0x10, "plain_xattr_pfx"),
];

const INCOMPAT: &[(u32, &str)] = &[
    (0x1, "0padding"),
    (0x2, "big_pcluster"),
    (0x4, "chunked_file"),
    (0x8, "device_table"),
    (0x10, "ztailpacking"),
    (0x20, "fragments"),
    (0x40, "xattr_prefixes"),
    (0x80, "48bit"),
    (0x100, "metabox"),
];

/// Features and the Linux release that first mounts them, the newest first.
const SINCE: &[(u32, &str)] = &[
    (0x100, "6.17"),
    (0x80, "6.15"),
    (0x40, "6.4"),
    (0x20, "6.1"),
    (0x10, "5.17"),
    (0x8, "5.16"),
    (0x4, "5.15"),
    (0x2, "5.13"),
    (0x1, "5.3"),
];

/// Compressors by bit, with the Linux release that first reads them.
const COMPRESSORS: [(&str, &str); 4] =
    [("lz4", "5.3"), ("lzma", "5.16"), ("deflate", "6.6"), ("zstd", "6.10")];

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let block = read(source, 1024, 128)?;
    if !block.has(0, &0xe0f5_e1e2_u32.to_le_bytes()) {
        return Ok(None);
    }
    let fields = (block.u8(12), block.le32(36), block.le32(80), block.le32(8));
    let (Some(bits), Some(blocks), Some(incompat), Some(compat)) = fields else { return Ok(None) };
    let mut node = Node::new("erofs", "EROFS file system", source.size());
    node.text("label", block.text(64, 16)).text("uuid", block.uuid(48));
    if !(9..=16).contains(&bits) {
        let what = format!("its block size is 2^{bits} bytes, which no kernel mounts");
        node.problem(Severity::Error, 1024 + 12, what, "make it again with mkfs.erofs");
        return Ok(Some(node));
    }
    super::filled(&mut node, u64::from(blocks) << bits, source);
    node.bytes("block size", 1_u64 << bits).number("inodes", block.le64(16).unwrap_or(0));
    node.time("made", block.le64(24).unwrap_or(0));
    let mut words = flags(compat, COMPAT);
    words.extend(flags(incompat, INCOMPAT));
    node.list("features", words);
    let since = SINCE.iter().find(|(bit, _)| incompat & bit != 0).map_or("5.4", |(_, since)| since);
    node.needs(format!("a kernel with EROFS (CONFIG_EROFS_FS), Linux {since} or later"));
    compressors(&mut node, incompat, block.le16(84).unwrap_or(0));
    if compat & 0x1 != 0 && bits == 12 {
        // Over the rest of the block, with the field itself as zeros, not inverted at the end.
        let mut rest = read(source, 1024, 4096 - 1024)?.0;
        rest.iter_mut().skip(4).take(4).for_each(|byte| *byte = 0);
        super::summed(
            &mut node,
            1024 + 4,
            (block.le32(4), !crc32c::crc32c(&rest)),
            "make it again with mkfs.erofs",
        );
    }
    if bits != 12 {
        node.needs(format!("pages of {} bytes, or Linux 6.4", 1_u64 << bits));
    }
    Ok(Some(node))
}

/// The list of compressors is only there with `big_pcluster` (`compr_cfgs`); without it, whether anything is
/// compressed with LZ4 stands in the inodes, which are not read.
fn compressors(node: &mut Node, incompat: u32, algorithms: u16) {
    if incompat & 0x2 == 0 {
        return;
    }
    let used = COMPRESSORS.iter().zip(0_u32..).filter(|(_, bit)| algorithms >> bit & 1 != 0);
    let used: Vec<_> = used.map(|(compressor, _)| compressor).collect();
    node.list("compressors", used.iter().map(|(name, _)| (*name).to_owned()).collect());
    for (name, since) in used.into_iter().filter(|(name, _)| *name != "lz4") {
        node.needs(format!("Linux {since} or later with {name} for EROFS"));
    }
}
