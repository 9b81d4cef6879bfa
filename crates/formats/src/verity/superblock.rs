//! `struct verity_sb` of cryptsetup, 512 bytes, little endian.
//!
//! ```text
//! 0 "verity\0\0" │ 8 version │ 12 hash type │ 16 uuid │ 32 algorithm │ 64 data block size
//! 68 hash block size │ 72 data blocks │ 80 salt size │ 88 salt
//! ```

/// Bytes of a superblock.
pub const SUPERBLOCK_SIZE: usize = 512;
const SIGNATURE: &[u8; 8] = b"verity\0\0";
const MAX_SALT: usize = 256;

/// What a superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Names the tree.
    pub uuid: [u8; 16],
    /// The hash, by the kernel's name.
    pub algorithm: String,
    /// Bytes of a data block.
    pub data_block_size: u32,
    /// Bytes of a hash block.
    pub hash_block_size: u32,
    /// Number of data blocks.
    pub data_blocks: u64,
    /// At most 256 bytes.
    pub salt: Vec<u8>,
}

/// Why bytes are no superblock that this module knows; offsets are those within it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuperblockError {
    /// Something else is there.
    #[error("no dm-verity superblock: its signature is missing at byte 0")]
    Signature,
    /// Fewer than 512 bytes.
    #[error("a dm-verity superblock has 512 bytes, here are {0}")]
    Short(usize),
    /// A number that this module or the kernel does not take.
    #[error("dm-verity superblock: {what} at byte {offset} is {value}")]
    Value {
        /// Which one.
        what: &'static str,
        /// Where.
        offset: usize,
        /// What it is.
        value: u64,
    },
    /// The name of the hash is no text.
    #[error("dm-verity superblock: the hash at byte 32 has no name")]
    Algorithm,
}

impl Superblock {
    /// Reads a superblock of hash type 1.
    ///
    /// # Errors
    /// When it is none, or a field is out of bounds.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuperblockError> {
        let bytes = bytes.first_chunk::<SUPERBLOCK_SIZE>().ok_or(SuperblockError::Short(bytes.len()))?;
        if !bytes.starts_with(SIGNATURE) {
            return Err(SuperblockError::Signature);
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let wrong =
            |what, offset, value: u32| Err(SuperblockError::Value { what, offset, value: value.into() });
        if word(8) != 1 {
            return wrong("the version", 8, word(8));
        }
        if word(12) != 1 {
            return wrong("the hash type", 12, word(12));
        }
        for (what, offset) in [("the data block size", 64), ("the hash block size", 68)] {
            if !(512..=512 << 10).contains(&word(offset)) || !word(offset).is_power_of_two() {
                return wrong(what, offset, word(offset));
            }
        }
        let salt_size = usize::from(u16::from_le_bytes([bytes[80], bytes[81]]));
        if salt_size > MAX_SALT {
            return wrong("the salt's size", 80, salt_size as u32);
        }
        let name = bytes[32..64].split(|byte| *byte == 0).next().unwrap_or_default();
        let algorithm = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[16..32]);
        Ok(Self {
            uuid,
            algorithm: algorithm.ok_or(SuperblockError::Algorithm)?.to_owned(),
            data_block_size: word(64),
            hash_block_size: word(68),
            data_blocks: u64::from(word(72)) | u64::from(word(76)) << 32,
            salt: bytes[88..88 + salt_size].to_vec(),
        })
    }

    /// The bytes of the superblock. A hash's name longer than 31 bytes and a salt longer than 256 are cut.
    pub fn encode(&self) -> [u8; SUPERBLOCK_SIZE] {
        let mut bytes = [0; SUPERBLOCK_SIZE];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        let name = self.algorithm.as_bytes();
        let salt = self.salt.get(..MAX_SALT).unwrap_or(&self.salt);
        put(0, SIGNATURE);
        put(8, &1_u32.to_le_bytes());
        put(12, &1_u32.to_le_bytes());
        put(16, &self.uuid);
        put(32, name.get(..31).unwrap_or(name));
        put(64, &self.data_block_size.to_le_bytes());
        put(68, &self.hash_block_size.to_le_bytes());
        put(72, &self.data_blocks.to_le_bytes());
        put(80, &(salt.len() as u16).to_le_bytes());
        put(88, salt);
        bytes
    }
}
