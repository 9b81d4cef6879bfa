//! Superblocks of dm-verity.

use bootwright_formats::verity::{SALT, Superblock};

/// What is read is written as it was, as far as it is looked at.
pub fn target(data: &[u8]) {
    let Ok(superblock) = Superblock::parse(data) else { return };
    assert_eq!(Superblock::parse(&superblock.encode()), Ok(superblock));
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let superblock = Superblock {
        uuid: [7; 16],
        algorithm: "sha256".to_owned(),
        data_block_size: 4096,
        hash_block_size: 4096,
        data_blocks: 1 << 40,
        salt: SALT.to_vec(),
    };
    superblock.encode().to_vec()
}
