//! The region table (MS-VHDX 2.2.3): where BAT and metadata are.
//!
//! ```text
//!    0 "regi"   4 Checksum   8 EntryCount   16 entries: 0 Guid  16 FileOffset  24 Length  28 Required
//! ```

use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::super::{Error, Format};
use super::header::{broken, checksum};
use crate::Guid;
use crate::ReadAt;

const OFFSETS: [u64; 2] = [192 << 10, 256 << 10];
const SIZE: usize = 64 << 10;
/// As the specification has it.
const MAX_ENTRIES: u32 = 2047;

pub(super) const BAT: Guid =
    Guid { bytes: *b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08" };
pub(super) const METADATA: Guid =
    Guid { bytes: *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e" };

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// Where the two known regions are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Regions {
    pub(super) bat: Region,
    pub(super) metadata: Region,
}

impl Regions {
    /// The first of the two tables that is whole.
    pub(super) fn read(bytes: &dyn ReadAt) -> Result<Self> {
        let [first, second] = OFFSETS;
        read_one(bytes, first).or_else(|fault| read_one(bytes, second).map_err(|_| fault))
    }
}

fn read_one(bytes: &dyn ReadAt, offset: u64) -> Result<Regions> {
    let table = read_up_to(bytes, offset, SIZE)?;
    if !table.starts_with(b"regi") || table.le32(4) != Some(checksum(&table)) {
        return Err(broken(offset, "the region table has no signature or a wrong checksum".to_owned()));
    }
    let count = table.le32(8).unwrap_or_default();
    if count > MAX_ENTRIES {
        return Err(broken(offset + 8, format!("{count} regions are more than {MAX_ENTRIES}")));
    }
    let (mut bat, mut metadata) = (None, None);
    for entry in table.get(16..).unwrap_or_default().chunks_exact(32).take(count as usize) {
        let Some((guid, region, required)) = parse(entry) else { break };
        match guid {
            BAT => bat = Some(region),
            METADATA => metadata = Some(region),
            other if required => {
                let what = format!("the region {other} is required, but not known");
                return Err(Error::Unsupported { format: Format::Vhdx, what });
            }
            _ => {}
        }
    }
    let missing = |name| broken(offset, format!("the region table has no {name}"));
    Ok(Regions {
        bat: bat.ok_or_else(|| missing("BAT"))?,
        metadata: metadata.ok_or_else(|| missing("metadata"))?,
    })
}

fn parse(entry: &[u8]) -> Option<(Guid, Region, bool)> {
    let region = Region { offset: entry.le64(16)?, length: entry.le32(24)? };
    Some((Guid { bytes: entry.array(0)? }, region, entry.le32(28)? & 1 != 0))
}
