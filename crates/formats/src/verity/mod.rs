//! dm-verity: a tree of digests by which the kernel checks each block of a device when it is read.
//!
//! Specification: `Documentation/admin-guide/device-mapper/verity.rst` of Linux for the tree, cryptsetup's
//! `lib/verity/verity.c` for the superblock. Written: hash type 1, SHA-256, data and hash blocks of 4096
//! bytes, one constant [`SALT`]. What [`Tree::bytes`] gives goes right behind the data:
//!
//! ```text
//! data blocks │ superblock, padded to a block │ top level │ … │ leaf level
//! ```
//!
//! A level is the digests of the blocks of the level below, 128 to a block, the last block padded with
//! zeros; a digest is SHA-256(salt ‖ block). The root hash is the digest of the top level's only block, or,
//! when there is but one data block, of that.
//!
//! [`leaves`] reads them back.
//!
//! Not written: other hashes and block sizes, type 0 (Chrome OS), forward error correction.

mod superblock;

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

pub use superblock::{SUPERBLOCK_SIZE, Superblock, SuperblockError};

/// Bytes of a data block and of a hash block.
pub const BLOCK_SIZE: usize = 4096;
/// Digests in a hash block.
const PER_BLOCK: usize = BLOCK_SIZE / 32;

/// The salt of every tree that is written: SHA-256 of `bootwright dm-verity salt 1`. It is the same for all
/// images, so that equal blocks of two versions have equal digests and need not be sent again. What a salt
/// of its own would add, protection from collisions computed beforehand, SHA-256 does not need.
pub const SALT: [u8; 32] = [
    0x3b, 0x0c, 0xd2, 0x38, 0xe7, 0x40, 0x90, 0x1b, 0xfe, 0x77, 0x12, 0xa5, 0xc2, 0x1b, 0x0f, 0xf5, 0x26,
    0x22, 0x55, 0xdf, 0xbc, 0x67, 0x8c, 0xb1, 0x54, 0xa5, 0x27, 0xd3, 0xf1, 0x24, 0xb5, 0xc8,
];

/// A digest of a block.
pub type BlockDigest = [u8; 32];

/// SHA-256 of the salt and a block.
pub fn block_digest(block: &[u8]) -> BlockDigest {
    Sha256::new().chain_update(SALT).chain_update(block).finalize().into()
}

/// Digests data as it goes by.
#[derive(Debug, Default)]
pub struct Leaves {
    digests: Vec<BlockDigest>,
    /// The start of a block whose end has not come yet.
    partial: Vec<u8>,
}

impl Leaves {
    /// Takes in the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        if !self.partial.is_empty() {
            let (now, rest) = bytes.split_at((BLOCK_SIZE - self.partial.len()).min(bytes.len()));
            self.partial.extend(now);
            bytes = rest;
            if self.partial.len() == BLOCK_SIZE {
                self.digests.push(block_digest(&self.partial));
                self.partial.clear();
            }
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK_SIZE>();
        self.digests.extend(blocks.iter().map(|block| block_digest(block)));
        self.partial.extend(rest);
    }

    /// The tree over all that came. Data that does not end with a block is continued with zeros, as many as
    /// [`padding`] says, which have to be written too.
    pub fn finish(mut self) -> Tree {
        if !self.partial.is_empty() {
            self.partial.resize(BLOCK_SIZE, 0);
            self.digests.push(block_digest(&self.partial));
        }
        Tree::new(self.digests)
    }
}

impl Write for Leaves {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Zeros that fill up the last block of `size` bytes.
pub fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK_SIZE as u64) - size
}

/// Bytes of superblock and tree for `size` bytes of data.
pub fn tree_size(size: u64) -> u64 {
    let mut count = size.div_ceil(BLOCK_SIZE as u64);
    let mut blocks = 1;
    while count > 1 {
        count = count.div_ceil(PER_BLOCK as u64);
        blocks += count;
    }
    blocks * BLOCK_SIZE as u64
}

/// The leaves in `bytes`, which is a superblock and the tree of `blocks` data blocks, as [`Tree::bytes`] gives them.
/// `None` when they have another length, or the tree no leaves: that of a single block has none. What they are worth
/// says the [root hash](Tree::root_hash) of the tree that is made of them.
pub fn leaves(bytes: &[u8], blocks: u64) -> Option<Vec<BlockDigest>> {
    let count = usize::try_from(blocks).ok().filter(|count| *count > 1)?;
    let size = blocks.checked_mul(BLOCK_SIZE as u64)?;
    if bytes.len() as u64 != tree_size(size) {
        return None;
    }
    let level = count.div_ceil(PER_BLOCK).checked_mul(BLOCK_SIZE)?;
    let digests = bytes.get(bytes.len().checked_sub(level)?..)?.as_chunks::<32>().0;
    digests.get(..count).map(<[BlockDigest]>::to_vec)
}

/// A finished tree.
#[derive(Debug)]
pub struct Tree {
    /// From the leaves to the top.
    levels: Vec<Vec<BlockDigest>>,
    root_hash: BlockDigest,
}

impl Tree {
    /// The tree over blocks with these digests.
    pub fn new(leaves: Vec<BlockDigest>) -> Self {
        let mut levels = vec![leaves];
        loop {
            let level = levels.last().map(Vec::as_slice).unwrap_or_default();
            if let [root_hash] = *level {
                levels.pop();
                return Self { levels: restore_leaves(levels, root_hash), root_hash };
            }
            if level.is_empty() {
                // A device without blocks has no tree; the digest stands for nothing that can be read.
                return Self { levels, root_hash: block_digest(&[]) };
            }
            let above = level.chunks(PER_BLOCK).map(|chunk| block_digest(&hash_block(chunk))).collect();
            levels.push(above);
        }
    }

    /// By which the kernel is told what to trust.
    pub fn root_hash(&self) -> BlockDigest {
        self.root_hash
    }

    /// The digests of the data blocks in their order: what two versions of an image are compared by.
    pub fn leaves(&self) -> &[BlockDigest] {
        self.levels.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// Superblock and tree, a whole number of blocks. `uuid` names the tree.
    pub fn bytes(&self, uuid: [u8; 16]) -> Vec<u8> {
        let superblock = Superblock {
            uuid,
            algorithm: "sha256".to_owned(),
            data_block_size: BLOCK_SIZE as u32,
            hash_block_size: BLOCK_SIZE as u32,
            data_blocks: self.leaves().len() as u64,
            salt: SALT.to_vec(),
        };
        let mut bytes = superblock.encode().to_vec();
        bytes.resize(BLOCK_SIZE, 0);
        if self.leaves().len() > 1 {
            for level in self.levels.iter().rev() {
                level.chunks(PER_BLOCK).for_each(|chunk| bytes.extend(hash_block(chunk)));
            }
        }
        bytes
    }
}

/// A single data block is the leaf and the top of its tree.
fn restore_leaves(mut levels: Vec<Vec<BlockDigest>>, only: BlockDigest) -> Vec<Vec<BlockDigest>> {
    if levels.is_empty() {
        levels.push(vec![only]);
    }
    levels
}

fn hash_block(digests: &[BlockDigest]) -> [u8; BLOCK_SIZE] {
    let mut block = [0; BLOCK_SIZE];
    for (place, digest) in block.as_chunks_mut::<32>().0.iter_mut().zip(digests) {
        *place = *digest;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salt_is_what_its_comment_says() {
        let expected: [u8; 32] = Sha256::digest("bootwright dm-verity salt 1").into();
        assert_eq!(SALT, expected, "{expected:#04x?}");
    }

    #[test]
    fn the_size_is_known_before_the_tree() {
        for blocks in [1, 2, 127, 128, 129, 128 * 128, 128 * 128 + 1] {
            let tree = Tree::new(vec![[1; 32]; blocks]);
            assert_eq!(tree.bytes([0; 16]).len() as u64, tree_size((blocks * BLOCK_SIZE) as u64));
        }
    }

    #[test]
    fn the_leaves_are_found_in_the_bytes_of_a_tree_and_make_it_again() {
        for blocks in [2_usize, 127, 128, 129, 128 * 128 + 1] {
            let digests = (0..blocks).map(|number| block_digest(&number.to_le_bytes())).collect();
            let tree = Tree::new(digests);
            let bytes = tree.bytes([0; 16]);
            let found = leaves(&bytes, blocks as u64).unwrap();
            assert_eq!(found, tree.leaves());
            assert_eq!(Tree::new(found).root_hash(), tree.root_hash());
            assert!(leaves(&bytes[1..], blocks as u64).is_none());
        }
        assert!(leaves(&[0; BLOCK_SIZE], 1).is_none());
        assert!(leaves(&[], u64::MAX).is_none());
    }

    #[test]
    fn pieces_of_any_length_give_the_same_leaves() {
        let data: Vec<u8> = (0..3 * BLOCK_SIZE + 100).map(|at| (at / 7) as u8).collect();
        let mut whole = Leaves::default();
        whole.update(&data);
        let whole = whole.finish();
        for piece in [1, 100, 4095, 4096, 5000] {
            let mut leaves = Leaves::default();
            data.chunks(piece).for_each(|chunk| leaves.update(chunk));
            assert_eq!(leaves.finish().root_hash(), whole.root_hash());
        }
    }
}
