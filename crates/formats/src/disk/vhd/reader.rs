//! The reader.

use super::super::error::Result;
use super::super::field::Fields;
use super::super::layout::{Layout, Place, Run, joined, reads_by_layout};
use super::super::pages::Pages;
use super::super::{Disk, Error, Format, Reference, Role, SECTOR, Shared};
use super::footer::{DiskType, Footer, broken};
use super::header::DynamicHeader;
use crate::ReadAt as _;

/// A block that was never written.
const FREE: u32 = u32::MAX;

/// A VHD.
pub struct Vhd {
    /// What the footer says.
    pub footer: Footer,
    /// What the header of a dynamic or differencing disk says.
    pub header: Option<DynamicHeader>,
    pages: Pages,
    parent: Option<Shared>,
}

impl Vhd {
    /// Reads footer and header. The parent is not attached.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn parse(bytes: Shared) -> Result<Self> {
        let footer = Footer::read(&bytes)?;
        let header = match footer.disk_type {
            DiskType::Fixed => None,
            _ => Some(DynamicHeader::read(&bytes, footer.data_offset)?),
        };
        let room = match &header {
            None => bytes.size().saturating_sub(SECTOR),
            Some(header) => u64::from(header.max_table_entries) * u64::from(header.block_size),
        };
        if footer.size() > room {
            let what = format!("the disk has {} bytes, but there is room for {room} only", footer.size());
            return Err(broken(bytes.size().saturating_sub(SECTOR) + 48, what));
        }
        Ok(Self { footer, header, pages: Pages::new(Format::Vhd, bytes), parent: None })
    }

    /// The parent of a differencing disk.
    pub fn references(&self) -> Vec<Reference> {
        let header = self.header.as_ref().filter(|_| self.footer.disk_type == DiskType::Differencing);
        let parent = header.map(|header| Reference {
            role: Role::Parent,
            names: header.parent_names.clone(),
            format: Some(Format::Vhd),
        });
        parent.into_iter().collect()
    }

    /// Gives it its parent.
    ///
    /// # Errors
    /// When it is not the disk with the UUID that this one was made on.
    pub fn attach(&mut self, _: usize, other: Disk) -> Result<()> {
        let wanted = self.header.as_ref().map(|header| header.parent).unwrap_or_default();
        if let Disk::Vhd(parent) = &other
            && parent.footer.uuid != wanted
        {
            let what = format!("the disk there is {}, not the parent {wanted}", parent.footer.uuid);
            return Err(self.missing(what));
        }
        self.parent = Some(other.into());
        Ok(())
    }

    fn missing(&self, what: String) -> Error {
        let names = self.header.as_ref().map(|header| header.parent_names.as_slice()).unwrap_or_default();
        Error::Missing { format: Format::Vhd, name: names.first().cloned().unwrap_or_default(), what }
    }

    fn in_block(&self, header: &DynamicHeader, offset: u64) -> Result<Run> {
        let block_size = u64::from(header.block_size);
        let at = header.table_offset.saturating_add(offset / block_size * 4);
        let within = offset % block_size;
        let entry = self.pages.entries(at, 4)?.bytes().be32(0).unwrap_or(FREE);
        let differencing = self.footer.disk_type == DiskType::Differencing;
        if entry == FREE {
            let place = if differencing { Place::Parent } else { Place::Zero };
            return Ok(Run { length: block_size - within, place });
        }
        let bitmap = u64::from(entry) * SECTOR;
        let data = bitmap + header.bitmap_size();
        if !differencing {
            let place = Place::File { index: 0, offset: data + within };
            return Ok(Run { length: block_size - within, place });
        }
        self.by_bitmap(bitmap, data, within, block_size)
    }

    /// Goes through the bits of a block, the highest bit of a byte first.
    fn by_bitmap(&self, bitmap: u64, data: u64, within: u64, block_size: u64) -> Result<Run> {
        let bits = self.pages.entries(bitmap + within / SECTOR / 8, 1)?;
        let first = within / SECTOR % 8;
        let sectors = bits.bytes().iter().flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 != 0));
        let mut at = within;
        let runs = sectors.skip(first as usize).map(|here| {
            let length = SECTOR - at % SECTOR;
            let place = if here { Place::File { index: 0, offset: data + at } } else { Place::Parent };
            at += length;
            Ok(Run { length, place })
        });
        let run = joined(runs, block_size - within)?;
        run.ok_or_else(|| broken(bitmap, "the file ends in a block's bitmap".to_owned()))
    }
}

impl Layout for Vhd {
    fn format(&self) -> Format {
        Format::Vhd
    }

    fn size(&self) -> u64 {
        self.footer.size()
    }

    fn locate(&self, offset: u64) -> Result<Run> {
        match &self.header {
            Some(header) => self.in_block(header, offset),
            None => {
                let length = self.footer.size() - offset;
                Ok(Run { length, place: Place::File { index: 0, offset } })
            }
        }
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

reads_by_layout!(Vhd);
