//! The header.
//!
//! ```text
//!     0 text (64)         0x150 -             0x170 size of the disk     0x188 UUID of the image
//!  0x40 0xbeda107f        0x154 offset_bmap   0x178 block_size           0x198 UUID of the last change
//!  0x44 version           0x158 offset_data   0x17c block_extra          0x1a8 UUID of the parent
//!  0x48 header_size       0x15c cylinders     0x180 blocks_in_image      0x1b8 and of its last change
//!  0x4c image type        0x160 heads         0x184 blocks_allocated
//!  0x50 flags             0x164 sectors
//!  0x54 description       0x168 sector_size
//! ```

use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::super::{Error, Format, SECTOR};
use crate::Guid;
use crate::ReadAt;

/// What kind of image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageType {
    /// Blocks are there once they were written.
    Dynamic,
    /// All blocks are there.
    Static,
    /// What is not there is in the parent.
    Differencing,
}

/// What the header says.
#[derive(Debug, Clone)]
pub struct Header {
    /// The kind of image.
    pub image_type: ImageType,
    /// Where the block map is.
    pub offset_bmap: u32,
    /// Where the first block is.
    pub offset_data: u32,
    /// Shared of the disk.
    pub size: u64,
    /// Shared in a block.
    pub block_size: u32,
    /// Entries of the block map.
    pub blocks_in_image: u32,
    /// Blocks that are there.
    pub blocks_allocated: u32,
    /// Of this image.
    pub uuid: Guid,
    /// Of the parent; nil if there is none.
    pub parent: Guid,
}

impl Header {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// When it is damaged, or of a kind that is not read.
    pub fn read(bytes: &dyn ReadAt) -> Result<Self> {
        let head = read_up_to(bytes, 0, 512)?;
        let ends = || broken(head.len() as u64, "the file ends in the header".to_owned());
        let header = parse(&head).ok_or_else(ends)??;
        let block_size = u64::from(header.block_size);
        if block_size == 0 || !block_size.is_multiple_of(SECTOR) {
            return Err(broken(0x178, format!("block_size {block_size} is no multiple of {SECTOR}")));
        }
        if header.size.div_ceil(block_size) > u64::from(header.blocks_in_image) {
            let what = format!("{} blocks cannot hold {} bytes", header.blocks_in_image, header.size);
            return Err(broken(0x180, what));
        }
        Ok(header)
    }
}

pub(super) fn broken(offset: u64, what: String) -> Error {
    Error::Broken { format: Format::Vdi, offset, what }
}

fn unsupported(what: String) -> Option<Result<Header>> {
    Some(Err(Error::Unsupported { format: Format::Vdi, what }))
}

fn parse(head: &[u8]) -> Option<Result<Header>> {
    if head.le32(0x40)? != 0xbeda_107f {
        return Some(Err(broken(0x40, "this is not the signature of a VDI".to_owned())));
    }
    let version = head.le32(0x44)?;
    if version != 0x0001_0001 {
        return unsupported(format!("version {}.{} is not read, only 1.1", version >> 16, version & 0xffff));
    }
    let image_type = match head.le32(0x4c)? {
        1 => ImageType::Dynamic,
        2 => ImageType::Static,
        4 => ImageType::Differencing,
        other => {
            return unsupported(format!("image type {other} is not read, only dynamic (1) and static (2)"));
        }
    };
    let sector_size = head.le32(0x168)?;
    if u64::from(sector_size) != SECTOR {
        return unsupported(format!("sectors of {sector_size} bytes are not read, only of {SECTOR}"));
    }
    let extra = head.le32(0x17c)?;
    if extra != 0 {
        return unsupported(format!("blocks with {extra} extra bytes are not read"));
    }
    Some(Ok(Header {
        image_type,
        offset_bmap: head.le32(0x154)?,
        offset_data: head.le32(0x158)?,
        size: head.le64(0x170)?,
        block_size: head.le32(0x178)?,
        blocks_in_image: head.le32(0x180)?,
        blocks_allocated: head.le32(0x184)?,
        uuid: Guid { bytes: head.array(0x188)? },
        parent: Guid { bytes: head.array(0x1a8)? },
    }))
}
