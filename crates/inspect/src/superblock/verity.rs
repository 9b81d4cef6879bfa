//! The superblock of a dm-verity hash device.
//!
//! Specification: cryptsetup, "DMVerity" of its wiki. At byte 0, little-endian:
//!
//! ```text
//! 0 "verity\0\0"   8 version   12 hash_type   16 uuid[16]   32 algorithm[32]   64 data_block_size
//! 68 hash_block_size   72 data_blocks u64   80 salt_size u16   88 salt[256]
//! ```

use std::io;

use crate::bytes::read;
use crate::node::{Node, Severity};
use crate::source::Source;

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let block = read(source, 0, 512)?;
    if !block.has(0, b"verity\0\0") {
        return Ok(None);
    }
    let mut node = Node::new("verity", "dm-verity hash tree", source.size());
    node.text("uuid", block.uuid(16)).text("algorithm", block.text(32, 32));
    let data_block = u64::from(block.le32(64).unwrap_or(0));
    let data_blocks = block.le64(72).unwrap_or(0);
    node.bytes("data size", data_blocks.saturating_mul(data_block));
    node.bytes("data block size", data_block).bytes("hash block size", block.le32(68).unwrap_or(0));
    let salt = block.slice(88, usize::from(block.le16(80).unwrap_or(0).min(256))).unwrap_or_default();
    let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    node.text("salt", salt);
    node.needs("the root hash, and the data that it is the tree of");
    if block.le32(8) != Some(1) {
        let what = "its version is not 1";
        node.problem(Severity::Error, 8, what, "make it again with veritysetup format");
    }
    if block.le16(80).is_some_and(|size| size > 256) {
        let what = "its salt is longer than 256 bytes";
        node.problem(Severity::Error, 80, what, "make it again with veritysetup format");
    }
    Ok(Some(node))
}
