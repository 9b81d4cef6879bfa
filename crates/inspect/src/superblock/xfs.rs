//! XFS.
//!
//! Specification: "XFS Algorithms & Data Structures", 3rd edition, chapter 13. At byte 0, big-endian:
//!
//! ```text
//! 0 "XFSB"   4 sb_blocksize   8 sb_dblocks u64   32 sb_uuid[16]   100 sb_versionnum u16   108 sb_fname[12]
//! 126 sb_inprogress u8   212 sb_features_ro_compat   216 sb_features_incompat
//! 102 sb_sectsize u16   224 sb_crc, little-endian
//! ```

use std::io;

use crate::bytes::{flags, read};
use crate::node::{Node, Severity};
use crate::source::Source;

const RO_COMPAT: &[(u32, &str)] = &[(0x1, "finobt"), (0x2, "rmapbt"), (0x4, "reflink"), (0x8, "inobtcount")];

const INCOMPAT: &[(u32, &str)] = &[
    (0x1, "ftype"),
    (0x2, "sparse"),
    (0x4, "metauuid"),
    (0x8, "bigtime"),
    (0x10, "needsrepair"),
    (0x20, "nrext64"),
    (0x40, "exchange"),
    (0x80, "parent"),
    (0x100, "metadir"),
];

/// Features of the format and the Linux release that first mounts them, the newest first.
const SINCE: &[(u32, &str, &str)] = &[
    (0x100, "metadir", "6.13"),
    (0xc0, "exchange and parent", "6.10"),
    (0x20, "nrext64", "5.19"),
    (0x8, "bigtime", "5.10"),
];

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let block = read(source, 0, 512)?;
    if !block.has(0, b"XFSB") {
        return Ok(None);
    }
    let fields = (block.be32(4), block.be64(8), block.be16(100), block.be32(212), block.be32(216));
    let (Some(block_size), Some(blocks), Some(version), Some(ro_compat), Some(incompat)) = fields else {
        return Ok(None);
    };
    let version = version & 0xf;
    let mut node = Node::new("xfs", format!("XFS file system, version {version}"), source.size());
    node.text("label", block.text(108, 12)).text("uuid", block.uuid(32));
    super::filled(&mut node, blocks.saturating_mul(block_size.into()), source);
    node.bytes("block size", block_size);
    node.needs("a kernel with XFS (CONFIG_XFS_FS)");
    if version >= 5 {
        let mut words = flags(ro_compat, RO_COMPAT);
        words.extend(flags(incompat, INCOMPAT));
        node.list("features", words);
        if let Some((_, names, since)) = SINCE.iter().find(|(bits, ..)| incompat & bits != 0) {
            node.needs(format!("Linux {since} or later, for {names}"));
        }
        // Over the whole sector, with the field itself as zeros.
        let mut sector = read(source, 0, usize::from(block.be16(102).unwrap_or(0)))?.0;
        sector.iter_mut().skip(224).take(4).for_each(|byte| *byte = 0);
        super::summed(&mut node, 224, (block.le32(224), crc32c::crc32c(&sector)), "run xfs_repair on it");
        if incompat & 0x10 != 0 {
            let what = "the file system asks for repair (needsrepair) and does not mount";
            node.problem(Severity::Error, 216, what, "run xfs_repair on it");
        }
    }
    if block.u8(126) == Some(1) {
        let what = "mkfs did not end (sb_inprogress): it does not mount";
        node.problem(Severity::Error, 126, what, "make the file system again");
    }
    Ok(Some(node))
}
