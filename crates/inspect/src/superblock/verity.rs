//! The superblock of a dm-verity hash device, read by [`bootwright_formats::verity`].

use std::io;

use bootwright_formats::verity::{SUPERBLOCK_SIZE, Superblock, SuperblockError};

use crate::bytes::{printable, read, uuid};
use crate::node::{Node, Severity};
use crate::source::Source;

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let mut node = Node::new("verity", "dm-verity hash tree", source.size());
    let superblock = match Superblock::parse(&read(source, 0, SUPERBLOCK_SIZE)?.0) {
        Ok(superblock) => superblock,
        Err(SuperblockError::Signature | SuperblockError::Short(_)) => return Ok(None),
        Err(error) => {
            let offset = match &error {
                SuperblockError::Value { offset, .. } => *offset as u64,
                _ => 32,
            };
            node.problem(Severity::Error, offset, error.to_string(), "make it again with veritysetup format");
            return Ok(Some(node));
        }
    };
    node.text("uuid", uuid(superblock.uuid));
    node.text("algorithm", printable(superblock.algorithm.as_bytes()));
    node.bytes("data size", superblock.data_blocks.saturating_mul(superblock.data_block_size.into()));
    node.bytes("data block size", superblock.data_block_size);
    node.bytes("hash block size", superblock.hash_block_size);
    node.text("salt", superblock.salt.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    node.needs("the root hash, and the data that it is the tree of");
    Ok(Some(node))
}
