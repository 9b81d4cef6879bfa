//! The reader.

use super::super::error::Result;
use super::super::field::Fields;
use super::super::layout::{Layout, Place, Run, joined, reads_by_layout};
use super::super::pages::Pages;
use super::super::{Error, Format, Shared};
use super::header::{Header, ImageType, broken};

/// A block that was never written.
const FREE: u32 = u32::MAX;
/// A block that was discarded.
const DISCARDED: u32 = u32::MAX - 1;

/// A VDI.
pub struct Vdi {
    /// What the header says.
    pub header: Header,
    pages: Pages,
}

impl Vdi {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is damaged, or of a kind that is not read.
    pub fn parse(bytes: Shared) -> Result<Self> {
        Ok(Self { header: Header::read(&bytes)?, pages: Pages::new(Format::Vdi, bytes) })
    }

    fn block(&self, at: u64, entry: u32, within: u64) -> Result<Run> {
        let block_size = u64::from(self.header.block_size);
        let length = block_size - within;
        let place = match entry {
            FREE if self.header.image_type == ImageType::Differencing => Place::Parent,
            FREE | DISCARDED => Place::Zero,
            number if number >= self.header.blocks_in_image => {
                let what = format!("block {number}, but there are only {}", self.header.blocks_in_image);
                return Err(broken(at, what));
            }
            number => {
                let offset = u64::from(self.header.offset_data) + u64::from(number) * block_size + within;
                Place::File { index: 0, offset }
            }
        };
        Ok(Run { length, place })
    }
}

impl Layout for Vdi {
    fn format(&self) -> Format {
        Format::Vdi
    }

    fn size(&self) -> u64 {
        self.header.size
    }

    fn locate(&self, offset: u64) -> Result<Run> {
        let block_size = u64::from(self.header.block_size);
        let at = u64::from(self.header.offset_bmap) + offset / block_size * 4;
        let entries = self.pages.entries(at, 4)?;
        let mut within = offset % block_size;
        let words = (at..).step_by(4).zip(entries.bytes().chunks_exact(4));
        let runs =
            words.map(|(at, word)| self.block(at, word.le32(0).unwrap_or(FREE), std::mem::take(&mut within)));
        let run = joined(runs, self.header.size - offset)?;
        run.ok_or_else(|| broken(at, "the file ends in the block map".to_owned()))
    }

    fn file(&self, _: usize) -> Result<&Shared> {
        Ok(self.pages.file())
    }

    fn parent(&self) -> Result<Option<&Shared>> {
        let name = self.header.parent.to_string();
        let what = "a differencing VDI knows its parent's UUID only: join them with VBoxManage clonemedium"
            .to_owned();
        Err(Error::Missing { format: Format::Vdi, name, what })
    }
}

reads_by_layout!(Vdi);
