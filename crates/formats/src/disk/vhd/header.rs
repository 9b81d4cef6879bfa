//! The header of dynamic and differencing disks.
//!
//! ```text
//!    0 cookie "cxsparse"   24 version             36 checksum        64 parent's name (UTF-16)
//!    8 data offset         28 max table entries   40 parent's UUID  576 eight locators of the parent:
//!   16 table offset        32 block size          56 parent's time      0 code  8 length  16 offset
//! ```

use super::super::SECTOR;
use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::footer::{broken, checksum};
use crate::Guid;
use crate::ReadAt;

/// No path is longer: what NTFS takes, in UTF-16.
const MAX_LOCATOR: u32 = 64 << 10;

/// What the header says.
#[derive(Debug, Clone)]
pub struct DynamicHeader {
    /// Where the block allocation table is.
    pub table_offset: u64,
    /// How many entries it has.
    pub max_table_entries: u32,
    /// Shared in a block, its bitmap not counted.
    pub block_size: u32,
    /// The parent's UUID; nil if there is none.
    pub parent: Guid,
    /// The parent's file as this disk names it: relative names first.
    pub parent_names: Vec<String>,
}

impl DynamicHeader {
    /// Reads the header at `at`.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read(bytes: &dyn ReadAt, at: u64) -> Result<Self> {
        let head = read_up_to(bytes, at, 1024)?;
        if !head.starts_with(b"cxsparse") {
            return Err(broken(at, "there should be a header, which begins with \"cxsparse\"".to_owned()));
        }
        if head.be32(36) != Some(checksum(&head, 36)) {
            return Err(broken(at + 36, "the header's checksum is wrong".to_owned()));
        }
        let ends = || broken(at, "the file ends in the header".to_owned());
        let mut header = parse(&head).ok_or_else(ends)?;
        if !header.block_size.is_power_of_two() || u64::from(header.block_size) < SECTOR {
            let what = format!("block size {} is no power of two from {SECTOR} on", header.block_size);
            return Err(broken(at + 32, what));
        }
        header.parent_names = parent_names(bytes, &head)?;
        Ok(header)
    }

    /// Shared of a block's bitmap: a bit for each sector, in whole sectors.
    pub(super) fn bitmap_size(&self) -> u64 {
        (u64::from(self.block_size) / SECTOR).div_ceil(8).next_multiple_of(SECTOR)
    }
}

fn parse(head: &[u8]) -> Option<DynamicHeader> {
    Some(DynamicHeader {
        table_offset: head.be64(16)?,
        max_table_entries: head.be32(28)?,
        block_size: head.be32(32)?,
        parent: Guid::from_ordered(head.array(40)?),
        parent_names: Vec::new(),
    })
}

/// The locators that Windows writes, `W2ru` (relative) before `W2ku` (absolute), then the name alone.
fn parent_names(bytes: &dyn ReadAt, head: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for wanted in [b"W2ru", b"W2ku"] {
        for locator in head.get(576..768).unwrap_or_default().chunks_exact(24) {
            let (Some(code), Some(length), Some(at)) = (locator.array(0), locator.be32(8), locator.be64(16))
            else {
                continue;
            };
            if code != *wanted || length == 0 {
                continue;
            }
            if length > MAX_LOCATOR {
                return Err(broken(at, format!("a parent's name of {length} bytes is too long")));
            }
            let text = read_up_to(bytes, at, length as usize)?;
            names.push(utf16(text.chunks_exact(2).filter_map(|unit| unit.le16(0))));
        }
    }
    let name = head.get(64..576).unwrap_or_default();
    names.push(utf16(name.chunks_exact(2).filter_map(|unit| unit.be16(0))));
    names.retain(|name| !name.is_empty());
    Ok(names)
}

/// Up to the first NUL.
fn utf16(units: impl Iterator<Item = u16>) -> String {
    let units = units.take_while(|&unit| unit != 0);
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
