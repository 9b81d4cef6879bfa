//! The system area and the end of a hybrid: MBR and GPT, so that the same file is a stick.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{ALIGNMENT, WriteError};
use crate::gpt::{Attributes, Guid, Partition, SectorSize, Table};
use crate::mbr::{Entry, Record, types};
use crate::{Mosaic, ReadAt as _};

/// Bytes of a sector of the partition table.
const SECTOR: u64 = 512;

/// Where GRUB's boot_hybrid.img has the address of what it loads.
const GRUB_ADDRESS: usize = 432;

/// A file of the image, or a part of one, that is a partition too.
#[derive(Debug, Clone)]
pub struct HybridPartition {
    /// The path of the file.
    pub path: String,
    /// The part of it that the partition is, from a multiple of 512 on; `None`: all of it.
    pub part: Option<Range<u64>>,
    /// The type.
    pub kind: Guid,
    /// Its own name.
    pub guid: Guid,
    /// Its attributes.
    pub attributes: Attributes,
    /// What people call it.
    pub name: String,
}

/// The partition tables of a hybrid.
#[derive(Debug, Clone)]
pub struct Hybrid {
    /// The disk's name.
    pub disk_guid: Guid,
    /// What a BIOS runs: GRUB's boot_hybrid.img, the first 432 bytes of it, or isohdpfx.bin; empty without.
    pub boot_code: Vec<u8>,
    /// The file whose address goes behind GRUB's code, plus four units of 512 bytes (cdboot.img).
    pub grub_core: Option<String>,
    /// The partitions.
    pub partitions: Vec<HybridPartition>,
}

impl Hybrid {
    fn range(&self, files: &BTreeMap<String, Range<u64>>, path: &String) -> Result<Range<u64>, WriteError> {
        let missing = || WriteError::Missing { path: "the partition table".to_owned(), of: path.clone() };
        let range = files.get(path).cloned().ok_or_else(missing)?;
        Ok(range.start..range.end.next_multiple_of(ALIGNMENT))
    }

    fn partition(
        &self,
        files: &BTreeMap<String, Range<u64>>,
        partition: &HybridPartition,
    ) -> Result<Range<u64>, WriteError> {
        let file = self.range(files, &partition.path)?;
        let Some(part) = &partition.part else { return Ok(file) };
        let end = file.start.saturating_add(part.end).next_multiple_of(SECTOR);
        Ok(file.start.saturating_add(part.start)..end.min(file.end))
    }

    /// Where the last partition ends: those are whole pages, files need not be.
    pub(super) fn end(&self, files: &BTreeMap<String, Range<u64>>) -> u64 {
        let ends = self.partitions.iter().filter_map(|partition| self.range(files, &partition.path).ok());
        ends.map(|range| range.end).max().unwrap_or(0)
    }

    pub(super) fn write(
        &self,
        image: &mut Mosaic,
        files: &BTreeMap<String, Range<u64>>,
    ) -> Result<(), WriteError> {
        let mut partitions = Vec::new();
        for (partition, number) in self.partitions.iter().zip(1..) {
            partitions.push(Partition {
                number,
                kind: partition.kind,
                guid: partition.guid,
                range: self.partition(files, partition)?,
                attributes: partition.attributes,
                name: partition.name.clone(),
            });
        }
        let disk_size = image.size();
        Table { sector: SectorSize::B512, disk_size, disk_guid: self.disk_guid, partitions }.write(image)?;
        image.bytes(0, self.record(disk_size, files)?);
        Ok(())
    }

    /// The protective MBR. Some BIOSes boot nothing from a stick without an active entry: the second one is
    /// that, of type 0, which every system takes for unused.
    fn record(&self, size: u64, files: &BTreeMap<String, Range<u64>>) -> Result<Vec<u8>, WriteError> {
        let mut code = self.boot_code.clone();
        if let Some(path) = &self.grub_core {
            code.resize(GRUB_ADDRESS, 0);
            code.extend((self.range(files, path)?.start / 512 + 4).to_le_bytes());
        }
        let bootable = !code.is_empty();
        let [a, b, c, d, ..] = self.disk_guid.bytes;
        let mut record = Record::new(code, u32::from_le_bytes([a, b, c, d]));
        // 32 bits of units end at 2 TiB; the entry then covers what it can tell.
        let end = size.min(u64::from(u32::MAX) * 512);
        let protective = Entry { kind: types::PROTECTIVE, active: false, range: 512..end };
        let active = Entry { kind: 0, active: true, range: 0..512 };
        record.entries = [Some(protective), bootable.then_some(active), None, None];
        Ok(record.to_bytes()?)
    }
}
