//! A sparse extent: from a byte of it to a grain.

use std::io::Read as _;

use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::super::layout::{Packed, Place, Run, joined};
use super::super::pages::Pages;
use super::super::{Format, SECTOR, Shared};
use super::header::{Header, broken};

/// In front of a compressed grain: its first sector, and how many bytes follow.
const MARKER: usize = 12;

/// A sparse extent.
pub(super) struct Sparse {
    pub(super) header: Header,
    pub(super) pages: Pages,
    /// Which of the disk's files it is.
    pub(super) file: usize,
}

impl Sparse {
    pub(super) fn parse(bytes: Shared, file: usize) -> Result<Self> {
        Ok(Self { header: Header::read(&bytes)?, pages: Pages::new(Format::Vmdk, bytes), file })
    }

    /// The run that begins at byte `offset` of the extent.
    pub(super) fn locate(&self, offset: u64) -> Result<Run> {
        let mapped = self.header.grain_bytes() * u64::from(self.header.table_entries);
        let at = self.header.gd_offset.saturating_mul(SECTOR).saturating_add(offset / mapped * 4);
        let table = self.pages.entries(at, 4)?.bytes().le32(0).unwrap_or_default();
        let limit = mapped - offset % mapped;
        if table == 0 {
            return Ok(Run { length: limit, place: Place::Parent });
        }
        let first = offset % mapped / self.header.grain_bytes();
        let at = u64::from(table) * SECTOR + first * 4;
        let entries = self.pages.entries(at, 4)?;
        let mut within = offset % self.header.grain_bytes();
        let runs = entries
            .bytes()
            .chunks_exact(4)
            .map(|entry| self.grain(entry.le32(0).unwrap_or_default(), std::mem::take(&mut within)));
        joined(runs, limit)?.ok_or_else(|| broken(at, "the file ends in a grain table".to_owned()))
    }

    fn grain(&self, entry: u32, within: u64) -> Result<Run> {
        let offset = u64::from(entry) * SECTOR;
        let place = match entry {
            0 => Place::Parent,
            1 if self.header.has_zero_grains() => Place::Zero,
            _ if self.header.compressed => {
                Place::Packed { unit: Packed { file: self.file, offset, length: 0 }, skip: within }
            }
            _ => Place::File { index: self.file, offset: offset + within },
        };
        Ok(Run { length: self.header.grain_bytes() - within, place })
    }

    /// Unpacks the grain whose marker is at `offset`.
    pub(super) fn unpack(&self, offset: u64) -> Result<Vec<u8>> {
        // At most 16 MiB, see MAX_GRAIN_SECTORS; what does not compress grows a little.
        let size = self.header.grain_bytes() as usize;
        let most = size + size / 8 + 1024;
        let packed = if self.header.has_markers() {
            let marker = read_up_to(self.pages.file(), offset, MARKER)?;
            let length = marker.le32(8).unwrap_or_default() as usize;
            if length == 0 || length > most {
                return Err(broken(offset, format!("a compressed grain of {length} bytes cannot be")));
            }
            read_up_to(self.pages.file(), offset + MARKER as u64, length)?
        } else {
            read_up_to(self.pages.file(), offset, most)?
        };
        let mut grain = Vec::with_capacity(size);
        let read =
            flate2::read::ZlibDecoder::new(packed.as_slice()).take(size as u64).read_to_end(&mut grain);
        read.map_err(|error| broken(offset, format!("a compressed grain is broken: {error}")))?;
        // The last grain of a stream may hold less than a whole one.
        grain.resize(size, 0);
        Ok(grain)
    }
}
