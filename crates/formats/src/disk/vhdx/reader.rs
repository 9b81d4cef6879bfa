//! The reader.

use super::super::error::Result;
use super::super::field::Fields;
use super::super::layout::{Layout, Place, Run, joined, reads_by_layout};
use super::super::pages::Pages;
use super::super::{Disk, Error, Format, Reference, Role, Shared};
use super::header::{Header, broken};
use super::log;
use super::metadata::Metadata;
use super::regions::Regions;

/// States of a block of data (MS-VHDX 2.5.1.1).
const NOT_PRESENT: u64 = 0;
const UNDEFINED: u64 = 1;
const ZERO: u64 = 2;
const UNMAPPED: u64 = 3;
const FULLY_PRESENT: u64 = 6;
const PARTIALLY_PRESENT: u64 = 7;

/// Bits 20 to 63 of an entry are its offset, in MiB.
const OFFSET: u64 = !0xf_ffff;

/// A VHDX.
pub struct Vhdx {
    /// The header that counts.
    pub header: Header,
    /// What the metadata say.
    pub metadata: Metadata,
    /// Whether there was something in the log to replay.
    pub replayed: bool,
    bat: u64,
    pages: Pages,
    parent: Option<Shared>,
}

impl Vhdx {
    /// Reads headers and metadata and replays the log. The parent is not attached.
    ///
    /// # Errors
    /// When they are damaged, or need something that is not known.
    pub fn parse(bytes: Shared) -> Result<Self> {
        let header = Header::read(&bytes)?;
        let bytes = log::replay(bytes, &header)?;
        let regions = Regions::read(&bytes)?;
        let metadata = Metadata::read(&bytes, regions.metadata)?;
        let blocks = metadata.size.div_ceil(metadata.block_size.into());
        let bitmaps = if metadata.has_parent { blocks.div_ceil(metadata.chunk_ratio()) } else { 0 };
        if (blocks + bitmaps) * 8 > u64::from(regions.bat.length) {
            let what = format!("a BAT of {} bytes is too short for {blocks} blocks", regions.bat.length);
            return Err(broken(regions.bat.offset, what));
        }
        Ok(Self {
            replayed: !header.log.is_nil(),
            bat: regions.bat.offset,
            pages: Pages::new(Format::Vhdx, bytes),
            parent: None,
            header,
            metadata,
        })
    }

    /// The parent of a differencing disk.
    pub fn references(&self) -> Vec<Reference> {
        let parent = self.metadata.has_parent.then(|| Reference {
            role: Role::Parent,
            names: self.metadata.parent.iter().flat_map(|parent| parent.paths.clone()).collect(),
            format: Some(Format::Vhdx),
        });
        parent.into_iter().collect()
    }

    /// Gives it its parent.
    ///
    /// # Errors
    /// When it is another disk, or was changed since this one was made on it.
    pub fn attach(&mut self, _: usize, other: Disk) -> Result<()> {
        let locator = self.metadata.parent.as_ref();
        let wanted = [locator.and_then(|parent| parent.linkage), locator.and_then(|parent| parent.linkage2)];
        if let Disk::Vhdx(parent) = &other
            && !wanted.contains(&Some(parent.header.data_write))
        {
            let is = parent.header.data_write;
            return Err(self.missing(format!("the disk there is another, or was written to (it says {is})")));
        }
        self.parent = Some(other.into());
        Ok(())
    }

    fn missing(&self, what: String) -> Error {
        let names = self.metadata.parent.iter().flat_map(|parent| &parent.paths);
        Error::Missing { format: Format::Vhdx, name: names.take(1).cloned().collect(), what }
    }

    /// Entry number `index` of the BAT, and where it is.
    fn entry(&self, index: u64) -> Result<(u64, u64)> {
        let at = self.bat.saturating_add(index * 8);
        Ok((at, self.pages.entries(at, 8)?.bytes().le64(0).unwrap_or_default()))
    }

    /// The sectors of a block that is partially present; the lowest bit of a byte first.
    fn by_bitmap(&self, chunk: u64, offset: u64, data: u64, length: u64) -> Result<Run> {
        let ratio = self.metadata.chunk_ratio();
        let (at, entry) = self.entry(chunk * (ratio + 1) + ratio)?;
        if entry & 7 != FULLY_PRESENT {
            return Err(broken(at, "the bitmap of a partially present block is not there".to_owned()));
        }
        let sector_size = u64::from(self.metadata.logical_sector_size);
        let sector = offset / sector_size % (1 << 23);
        let bits = self.pages.entries((entry & OFFSET) + sector / 8, 1)?;
        let sectors = bits.bytes().iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 != 0));
        let (mut at, mut data) = (offset, data);
        let runs = sectors.skip((sector % 8) as usize).map(|here| {
            let length = sector_size - at % sector_size;
            let place = if here { Place::File { index: 0, offset: data } } else { Place::Parent };
            at += length;
            data = data.saturating_add(length);
            Ok(Run { length, place })
        });
        let run = joined(runs, length)?;
        run.ok_or_else(|| broken(entry & OFFSET, "the file ends in a bitmap of sectors".to_owned()))
    }
}

impl Layout for Vhdx {
    fn format(&self) -> Format {
        Format::Vhdx
    }

    fn size(&self) -> u64 {
        self.metadata.size
    }

    fn locate(&self, offset: u64) -> Result<Run> {
        let block_size = u64::from(self.metadata.block_size);
        let block = offset / block_size;
        let chunk = block / self.metadata.chunk_ratio();
        let (at, entry) = self.entry(block + chunk)?;
        let length = block_size - offset % block_size;
        let data = (entry & OFFSET).saturating_add(offset % block_size);
        let place = match entry & 7 {
            FULLY_PRESENT => Place::File { index: 0, offset: data },
            PARTIALLY_PRESENT if self.metadata.has_parent => {
                return self.by_bitmap(chunk, offset, data, length);
            }
            NOT_PRESENT if self.metadata.has_parent => Place::Parent,
            NOT_PRESENT | UNDEFINED | ZERO | UNMAPPED => Place::Zero,
            state => return Err(broken(at, format!("a block in state {state} cannot be"))),
        };
        Ok(Run { length, place })
    }

    fn file(&self, _: usize) -> Result<&Shared> {
        Ok(self.pages.file())
    }

    fn parent(&self) -> Result<Option<&Shared>> {
        match &self.parent {
            Some(parent) => Ok(Some(parent)),
            None => Err(self.missing("it was not opened".to_owned())),
        }
    }
}

reads_by_layout!(Vhdx);
