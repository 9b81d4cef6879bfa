//! Block 0: the superblock and the compressor's settings behind it.

use super::BLOCK;
use super::pack::{Algorithm, MAX_PCLUSTER, ZSTD_WINDOW_LOG};
use crate::erofs::disk::{INCOMPAT_ZERO_PADDING, MAGIC};

/// The superblock's place in block 0.
const SUPER_OFFSET: usize = crate::erofs::disk::SUPER_OFFSET as usize;
/// `EROFS_FEATURE_COMPAT_SB_CHKSUM`.
const COMPAT_CHECKSUM: u32 = 1;
/// `EROFS_FEATURE_INCOMPAT_COMPR_CFGS`, the same bit as `…_BIG_PCLUSTER`.
const INCOMPAT_COMPR_CFGS: u32 = 2;
/// `EROFS_FEATURE_INCOMPAT_CHUNKED_FILE`.
const INCOMPAT_CHUNKED_FILE: u32 = 4;
/// `EROFS_FEATURE_INCOMPAT_ZTAILPACKING`: a file's last compressed bytes lie behind its inode.
const INCOMPAT_ZTAILPACKING: u32 = 0x10;

/// What the superblock says.
pub(super) struct Superblock {
    pub root_nid: u16,
    pub inodes: u64,
    pub build_time: u64,
    pub blocks: u32,
    pub meta_block: u32,
    pub xattr_block: u32,
    pub uuid: [u8; 16],
    pub algorithm: Option<Algorithm>,
    /// Whether a file is in chunks.
    pub chunked: bool,
}

impl Superblock {
    /// The whole of block 0.
    pub(super) fn encode(&self) -> [u8; BLOCK] {
        let mut incompat = 0;
        let mut algorithms = 0_u16;
        let mut settings = Vec::new();
        if let Some(algorithm) = self.algorithm {
            incompat = INCOMPAT_ZERO_PADDING | INCOMPAT_COMPR_CFGS | INCOMPAT_ZTAILPACKING;
            algorithms = 1 << algorithm.number();
            settings = settings_of(algorithm);
        }
        if self.chunked {
            incompat |= INCOMPAT_CHUNKED_FILE;
        }
        let mut bytes = Vec::with_capacity(BLOCK);
        bytes.resize(SUPER_OFFSET, 0);
        for number in [MAGIC, 0, COMPAT_CHECKSUM] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend([BLOCK.trailing_zeros() as u8, 0]);
        bytes.extend(self.root_nid.to_le_bytes());
        bytes.extend(self.inodes.to_le_bytes());
        bytes.extend(self.build_time.to_le_bytes());
        for number in [0, self.blocks, self.meta_block, self.xattr_block] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.uuid);
        bytes.extend([0; 16]); // volume_name
        bytes.extend(incompat.to_le_bytes());
        bytes.extend(algorithms.to_le_bytes());
        bytes.resize(SUPER_OFFSET + 128, 0);
        bytes.extend(settings);
        bytes.resize(BLOCK, 0);
        // Not inverted at the end, as the crate does it.
        let checksum = !crc32c::crc32c(bytes.get(SUPER_OFFSET..).unwrap_or_default());
        let mut block = [0; BLOCK];
        block.copy_from_slice(&bytes);
        block[SUPER_OFFSET + 4..SUPER_OFFSET + 8].copy_from_slice(&checksum.to_le_bytes());
        block
    }
}

/// Length and contents of `struct z_erofs_…_cfgs`.
fn settings_of(algorithm: Algorithm) -> Vec<u8> {
    let blocks = (MAX_PCLUSTER / BLOCK) as u16;
    let settings = match algorithm {
        Algorithm::Lz4 => {
            let mut settings = [u16::MAX.to_le_bytes(), blocks.to_le_bytes()].concat();
            settings.resize(14, 0);
            settings
        }
        // The window's logarithm: deflate's largest.
        Algorithm::Deflate => vec![15, 0, 0, 0, 0, 0],
        Algorithm::Zstd => vec![0, ZSTD_WINDOW_LOG - 10, 0, 0, 0, 0],
    };
    [&(settings.len() as u16).to_le_bytes(), settings.as_slice()].concat()
}
