//! The superblock: `struct erofs_super_block`, 128 bytes at 1024.

use super::error::{Error, Result};
use crate::erofs::disk::{
    INCOMPAT_48BIT, INCOMPAT_FRAGMENTS, INCOMPAT_KNOWN, INCOMPAT_METABOX, INCOMPAT_XATTR_PREFIXES, MAGIC,
    SUPER_OFFSET,
};
use crate::fields::{bytes_at, u8_at, u16_le, u32_le, u64_le};
use crate::{ReadAt, Shared};

/// Bytes of the superblock without its extensions.
const SIZE: usize = 128;
/// Where its fields are, in the image.
const BLOCK_BITS: u64 = SUPER_OFFSET + 12;
const INCOMPAT: u64 = SUPER_OFFSET + 80;
const DIRECTORY_BITS: u64 = SUPER_OFFSET + 90;
pub(super) const PACKED_NID: u64 = SUPER_OFFSET + 96;

/// `feature_compat`: prefixes of attribute names lie in the image itself, not in the packed inode.
const COMPAT_PLAIN_PREFIXES: u32 = 0x10;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// The logarithm of the block size.
    pub block_bits: u8,
    /// `feature_compat`.
    pub compat: u32,
    /// `feature_incompat`.
    pub incompat: u32,
    /// How many inodes there are.
    pub inodes: u64,
    /// When it was made, seconds since 1970.
    pub build_time: u64,
    /// Nanoseconds past it.
    pub build_time_nsec: u32,
    /// Blocks of the image.
    pub blocks: u32,
    /// Names the file system.
    pub uuid: [u8; 16],
    /// The volume's name, without the NULs behind it.
    pub label: Vec<u8>,
    /// How many devices hold data besides this image.
    pub extra_devices: u16,
    pub(super) root_nid: u64,
    pub(super) meta_block: u32,
    pub(super) xattr_block: u32,
    /// The inode that holds the fragments of other files.
    pub(super) packed_nid: Option<u64>,
    pub(super) prefixes: Option<Prefixes>,
}

/// Where long prefixes of attribute names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub count: u8,
    /// In bytes.
    pub start: u64,
    /// Whether that counts within the packed inode.
    pub packed: bool,
}

impl Superblock {
    pub(super) fn read(image: &Shared) -> Result<Self> {
        let mut bytes = [0; SIZE];
        if image.size() < SUPER_OFFSET + SIZE as u64 {
            return Err(Error::Absent);
        }
        let failed = |source| Error::Read { offset: SUPER_OFFSET, source };
        image.read_exact_at(SUPER_OFFSET, &mut bytes).map_err(failed)?;
        let superblock = Self::parse(&bytes).ok_or(Error::Absent)?;
        superblock.check(u8_at(&bytes, 90).unwrap_or(0))?;
        Ok(superblock)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        if u32_le(bytes, 0)? != MAGIC {
            return None;
        }
        let (compat, incompat) = (u32_le(bytes, 8)?, u32_le(bytes, 80)?);
        let packed_nid = u64_le(bytes, 96)?;
        let packed_nid = (incompat & INCOMPAT_FRAGMENTS != 0 && packed_nid != 0).then_some(packed_nid);
        let prefixes = Prefixes {
            count: u8_at(bytes, 91)?,
            start: u64::from(u32_le(bytes, 92)?) * 4,
            packed: packed_nid.is_some() && compat & COMPAT_PLAIN_PREFIXES == 0,
        };
        let label: [u8; 16] = bytes_at(bytes, 64)?;
        Some(Self {
            block_bits: u8_at(bytes, 12)?,
            compat,
            incompat,
            inodes: u64_le(bytes, 16)?,
            build_time: u64_le(bytes, 24)?,
            build_time_nsec: u32_le(bytes, 32)?,
            blocks: u32_le(bytes, 36)?,
            uuid: bytes_at(bytes, 48)?,
            label: label.iter().copied().take_while(|byte| *byte != 0).collect(),
            extra_devices: u16_le(bytes, 86)?,
            root_nid: u16_le(bytes, 14)?.into(),
            meta_block: u32_le(bytes, 40)?,
            xattr_block: u32_le(bytes, 44)?,
            packed_nid,
            prefixes: (incompat & INCOMPAT_XATTR_PREFIXES != 0).then_some(prefixes),
        })
    }

    /// Refuses what is newer than this reader.
    fn check(&self, directory_bits: u8) -> Result<()> {
        let unsupported = |what: String, offset| Err(Error::Unsupported { what, offset });
        if !(9..=16).contains(&self.block_bits) {
            return unsupported(format!("blocks of 2^{} bytes", self.block_bits), BLOCK_BITS);
        }
        let unknown = self.incompat & !INCOMPAT_KNOWN;
        if unknown & INCOMPAT_48BIT != 0 {
            return unsupported("block addresses of 48 bits".to_owned(), INCOMPAT);
        }
        if unknown & INCOMPAT_METABOX != 0 {
            return unsupported("metadata in a compressed box".to_owned(), INCOMPAT);
        }
        if unknown != 0 {
            return unsupported(format!("unknown features {unknown:#x}"), INCOMPAT);
        }
        if directory_bits != 0 {
            return unsupported("directory blocks of a size of their own".to_owned(), DIRECTORY_BITS);
        }
        Ok(())
    }
}
