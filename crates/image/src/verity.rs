//! The dm-verity tree behind a root.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// Bytes of a data block and of a hash block.
pub const VERITY_BLOCK: u64 = 4096;

/// A dm-verity tree, hash type 1, SHA-256, blocks of [`VERITY_BLOCK`] bytes. Its superblock lies right
/// behind the data, in the same file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verity {
    /// What the kernel is told to trust.
    pub root_hash: Digest,
    /// The salt: hexadecimal digits, as `veritysetup` takes it.
    pub salt: String,
    /// Blocks of data: the superblock follows the last one.
    pub data_blocks: u64,
}

impl Verity {
    /// Where the superblock is: `--hash-offset` of veritysetup.
    pub fn hash_offset(&self) -> Option<u64> {
        self.data_blocks.checked_mul(VERITY_BLOCK)
    }

    /// Whether a file of `size` bytes can hold data and a tree.
    pub fn fits(&self, size: u64) -> bool {
        let salt = self.salt.len() <= 512
            && self.salt.len().is_multiple_of(2)
            && self.salt.bytes().all(|digit| digit.is_ascii_hexdigit());
        salt && self.hash_offset().is_some_and(|offset| offset > 0 && offset < size)
    }
}
/// The text in a partition of the type "verity signature" (UAPI.2): JSON, then zeros to the end of the partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedRootHash {
    /// The root hash, in lower-case hexadecimal digits.
    pub root_hash: String,
    /// SHA-256 of the signer's certificate in DER, in hexadecimal digits; empty when nothing is said.
    #[serde(default)]
    pub certificate_fingerprint: String,
    /// PKCS#7 in DER over `root_hash` as text, detached and without attributes; base64.
    pub signature: String,
}
