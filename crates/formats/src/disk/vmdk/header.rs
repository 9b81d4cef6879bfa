//! The header of a sparse extent, which is also the footer of a stream.
//!
//! ```text
//!    0 "KDMV"    12 capacity           36 descriptorSize    64 overHead
//!    4 version   20 grainSize          44 numGTEsPerGT      72 uncleanShutdown
//!    8 flags     28 descriptorOffset   48 rgdOffset         73 four bytes that a text mode would change
//!                                      56 gdOffset          77 compressAlgorithm
//! ```

use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::super::{Error, Format, SECTOR};
use crate::ReadAt;

/// A `gdOffset` that says: in the footer.
const GD_AT_END: u64 = u64::MAX;
/// The footer is the last sector but one.
const FOOTER_FROM_END: u64 = 2 * SECTOR;

/// VMware's grains have 64 KiB. It bounds what one compressed grain unpacks to.
const MAX_GRAIN_SECTORS: u64 = (16 << 20) / SECTOR;
/// VMware's tables have 512 entries, and QEMU takes no more.
const MAX_TABLE_ENTRIES: u32 = 512;

/// What the header says.
#[derive(Debug, Clone)]
pub struct Header {
    /// 1 to 3.
    pub version: u32,
    /// Bit 2: a table's entry 1 is zeros. Bit 16: grains are compressed. Bit 17: with markers.
    pub flags: u32,
    /// Sectors of the extent.
    pub capacity: u64,
    /// Sectors in a grain.
    pub grain_size: u64,
    /// The sector where an embedded descriptor is; 0 when there is none.
    pub descriptor_offset: u64,
    /// How many sectors it has.
    pub descriptor_size: u64,
    /// Entries of a grain table.
    pub table_entries: u32,
    /// The sector where the grain directory is.
    pub gd_offset: u64,
    /// Whether grains are compressed (deflate in zlib's format, RFC 1950).
    pub compressed: bool,
}

impl Header {
    /// Reads the header at the start of `bytes`, and the footer that it may refer to.
    ///
    /// # Errors
    /// When they are damaged, or of a version that is not read.
    pub fn read(bytes: &dyn ReadAt) -> Result<Self> {
        let header = read_one(bytes, 0)?;
        if header.gd_offset != GD_AT_END {
            return Ok(header);
        }
        let at = bytes.size().saturating_sub(FOOTER_FROM_END);
        let footer = read_one(bytes, at)?;
        if footer.gd_offset == GD_AT_END {
            return Err(broken(at + 56, "the footer does not say where the grain directory is".to_owned()));
        }
        let descriptor = (header.descriptor_offset, header.descriptor_size);
        Ok(Self { descriptor_offset: descriptor.0, descriptor_size: descriptor.1, ..footer })
    }

    /// Shared in a grain.
    pub fn grain_bytes(&self) -> u64 {
        self.grain_size * SECTOR
    }

    /// Whether compressed grains have markers in front.
    pub(super) fn has_markers(&self) -> bool {
        self.flags & 1 << 17 != 0
    }

    /// Whether an entry of 1 in a grain table is zeros.
    pub(super) fn has_zero_grains(&self) -> bool {
        self.flags & 1 << 2 != 0
    }

    fn check(&self, at: u64) -> Result<()> {
        if !(1..=3).contains(&self.version) {
            let what = format!("sparse extents of version {} are not read, only 1 to 3", self.version);
            return Err(Error::Unsupported { format: Format::Vmdk, what });
        }
        if self.grain_size == 0 || self.grain_size > MAX_GRAIN_SECTORS {
            return Err(broken(at + 20, format!("grains of {} sectors cannot be", self.grain_size)));
        }
        if self.table_entries == 0 || self.table_entries > MAX_TABLE_ENTRIES {
            let what = format!("grain tables of {} entries cannot be", self.table_entries);
            return Err(broken(at + 44, what));
        }
        if self.capacity > u64::MAX / SECTOR / 2 {
            return Err(broken(at + 12, format!("{} sectors are more than there can be", self.capacity)));
        }
        Ok(())
    }
}

pub(super) fn broken(offset: u64, what: String) -> Error {
    Error::Broken { format: Format::Vmdk, offset, what }
}

fn read_one(bytes: &dyn ReadAt, at: u64) -> Result<Header> {
    let head = read_up_to(bytes, at, SECTOR as usize)?;
    if head.starts_with(b"COWD") {
        let what = "vmfsSparse extents (COWD) are not read: clone the disk with vmkfstools".to_owned();
        return Err(Error::Unsupported { format: Format::Vmdk, what });
    }
    if !head.starts_with(b"KDMV") {
        return Err(broken(at, "there should be a header, which begins with \"KDMV\"".to_owned()));
    }
    let header = parse(&head).ok_or_else(|| broken(at, "the file ends in the header".to_owned()))?;
    let algorithm = head.le16(77).unwrap_or_default();
    if header.compressed && algorithm != 1 {
        let what = format!("grains compressed by algorithm {algorithm} are not read, only by deflate (1)");
        return Err(Error::Unsupported { format: Format::Vmdk, what });
    }
    header.check(at)?;
    Ok(header)
}

fn parse(head: &[u8]) -> Option<Header> {
    let flags = head.le32(8)?;
    Some(Header {
        version: head.le32(4)?,
        flags,
        capacity: head.le64(12)?,
        grain_size: head.le64(20)?,
        descriptor_offset: head.le64(28)?,
        descriptor_size: head.le64(36)?,
        table_entries: head.le32(44)?,
        gd_offset: head.le64(56)?,
        compressed: flags & 1 << 16 != 0,
    })
}
