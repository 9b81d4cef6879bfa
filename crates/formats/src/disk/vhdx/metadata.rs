//! The metadata region (MS-VHDX 2.6).
//!
//! ```text
//!   0 "metadata"   10 EntryCount   32 entries: 0 ItemId  16 Offset  20 Length  24 flags (4: required)
//! ```

use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::super::{Error, Format};
use super::header::broken;
use super::regions::Region;
use crate::Guid;
use crate::ReadAt;

/// As the specification has it.
const MAX_ENTRIES: u16 = 2047;
/// No item that is looked at is longer: a parent locator with three paths of Windows.
const MAX_ITEM: u32 = 1 << 20;
/// As the specification has it: 64 TiB.
pub(super) const MAX_SIZE: u64 = 64 << 40;

pub(super) const FILE_PARAMETERS: Guid = Guid::new(0xcaa16737_fa36_4d43_b3b6_33f0aa44e76b);
pub(super) const VIRTUAL_DISK_SIZE: Guid = Guid::new(0x2fa54224_cd1b_4876_b211_5dbed83bf4b8);
pub(super) const VIRTUAL_DISK_ID: Guid = Guid::new(0xbeca12ab_b2e6_4523_93ef_c309e000c746);
pub(super) const LOGICAL_SECTOR_SIZE: Guid = Guid::new(0x8141bf1d_a96f_4709_ba47_f233a8faab5f);
pub(super) const PHYSICAL_SECTOR_SIZE: Guid = Guid::new(0xcda348c7_445d_4471_9cc9_e9885251c556);
const PARENT_LOCATOR: Guid = Guid::new(0xa8d35f2d_b30b_454d_abf7_d3d84834ab0c);

/// What the metadata say.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// Shared in a block: 1 to 256 MiB.
    pub block_size: u32,
    /// All blocks are to stay where they are: a fixed disk.
    pub leave_blocks_allocated: bool,
    /// What is not there is in the parent.
    pub has_parent: bool,
    /// Shared of the disk.
    pub size: u64,
    /// Of the disk, what SCSI inquiry page 83 says.
    pub disk_id: Guid,
    /// Shared in a sector, as the guest sees it.
    pub logical_sector_size: u32,
    /// Shared in a sector of the medium, as the guest is told.
    pub physical_sector_size: u32,
    /// How the parent is found.
    pub parent: Option<ParentLocator>,
}

/// How the parent is found.
#[derive(Debug, Clone, Default)]
pub struct ParentLocator {
    /// [`Header::data_write`](super::Header::data_write) of the parent.
    pub linkage: Option<Guid>,
    /// What that was before the parent was last merged into.
    pub linkage2: Option<Guid>,
    /// Paths of Windows: relative, with the volume's name, absolute.
    pub paths: Vec<String>,
}

impl Metadata {
    pub(super) fn read(bytes: &dyn ReadAt, region: Region) -> Result<Self> {
        let table = read_up_to(bytes, region.offset, 64 << 10)?;
        if !table.starts_with(b"metadata") {
            return Err(broken(region.offset, "there should be a metadata table".to_owned()));
        }
        let count = table.le16(10).unwrap_or_default();
        if count > MAX_ENTRIES {
            return Err(broken(region.offset + 10, format!("{count} items are more than {MAX_ENTRIES}")));
        }
        let mut metadata = Self::default();
        for entry in table.get(32..).unwrap_or_default().chunks_exact(32).take(count.into()) {
            metadata.read_item(bytes, region, entry)?;
        }
        metadata.check(region)?;
        Ok(metadata)
    }

    fn read_item(&mut self, bytes: &dyn ReadAt, region: Region, entry: &[u8]) -> Result<()> {
        let fields =
            || Some((Guid { bytes: entry.array(0)? }, entry.le32(16)?, entry.le32(20)?, entry.le32(24)?));
        let Some((id, offset, length, flags)) = fields() else { return Ok(()) };
        let at = region.offset.saturating_add(offset.into());
        if length > MAX_ITEM || u64::from(offset) + u64::from(length) > u64::from(region.length) {
            return Err(broken(at, format!("an item of {length} bytes is too long, or leaves the region")));
        }
        let item = read_up_to(bytes, at, length as usize)?;
        if self.take(id, &item).is_none() {
            return Err(broken(at, format!("the item {id} is too short")));
        }
        let known = [FILE_PARAMETERS, VIRTUAL_DISK_SIZE, VIRTUAL_DISK_ID, LOGICAL_SECTOR_SIZE];
        let known = known.contains(&id) || [PHYSICAL_SECTOR_SIZE, PARENT_LOCATOR].contains(&id);
        if !known && flags & 4 != 0 {
            let what = format!("the metadata item {id} is required, but not known");
            return Err(Error::Unsupported { format: Format::Vhdx, what });
        }
        Ok(())
    }

    fn take(&mut self, id: Guid, item: &[u8]) -> Option<()> {
        match id {
            FILE_PARAMETERS => {
                self.block_size = item.le32(0)?;
                let flags = item.le32(4)?;
                (self.leave_blocks_allocated, self.has_parent) = (flags & 1 != 0, flags & 2 != 0);
            }
            VIRTUAL_DISK_SIZE => self.size = item.le64(0)?,
            VIRTUAL_DISK_ID => self.disk_id = Guid { bytes: item.array(0)? },
            LOGICAL_SECTOR_SIZE => self.logical_sector_size = item.le32(0)?,
            PHYSICAL_SECTOR_SIZE => self.physical_sector_size = item.le32(0)?,
            PARENT_LOCATOR => self.parent = Some(parent_locator(item)?),
            _ => {}
        }
        Some(())
    }

    fn check(&self, region: Region) -> Result<()> {
        let what = if !self.block_size.is_power_of_two() || !(1 << 20..=256 << 20).contains(&self.block_size)
        {
            format!("blocks of {} bytes are no power of two from 1 to 256 MiB", self.block_size)
        } else if ![512, 4096].contains(&self.logical_sector_size) {
            format!("sectors of {} bytes are neither 512 nor 4096", self.logical_sector_size)
        } else if self.size > MAX_SIZE || !self.size.is_multiple_of(self.logical_sector_size.into()) {
            format!("a disk of {} bytes is no number of sectors, or more than 64 TiB", self.size)
        } else {
            return Ok(());
        };
        Err(broken(region.offset, what))
    }

    /// Blocks in a chunk.
    pub(super) fn chunk_ratio(&self) -> u64 {
        (u64::from(self.logical_sector_size) << 23) / u64::from(self.block_size)
    }
}

/// ```text
///   0 LocatorType   18 KeyValueCount   20 entries: 0 KeyOffset 4 ValueOffset 8 KeyLength 10 ValueLength
/// ```
fn parent_locator(item: &[u8]) -> Option<ParentLocator> {
    let mut locator = ParentLocator::default();
    let count = item.le16(18)?;
    for entry in item.get(20..)?.chunks_exact(12).take(count.into()) {
        let key = text(item, entry.le32(0)?, entry.le16(8)?)?;
        let value = text(item, entry.le32(4)?, entry.le16(10)?)?;
        match key.as_str() {
            "parent_linkage" => locator.linkage = Guid::from_braced(&value).ok(),
            "parent_linkage2" => locator.linkage2 = Guid::from_braced(&value).ok(),
            "relative_path" => locator.paths.insert(0, value),
            "volume_path" | "absolute_win32_path" => locator.paths.push(value),
            _ => {}
        }
    }
    Some(locator)
}

fn text(item: &[u8], offset: u32, length: u16) -> Option<String> {
    let start = usize::try_from(offset).ok()?;
    let bytes = item.get(start..start.checked_add(length.into())?)?;
    let units = bytes.chunks_exact(2).filter_map(|unit| unit.le16(0));
    Some(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}
