//! `--persist`: a partition for data in the space behind the image.
//!
//! The image's own table says where there is room. A GPT is written anew with one more entry, its second copy
//! at the device's end, and the protective MBR follows; an MBR gets an entry in its first free place. Boot
//! code and everything else stay as they are. In the partition is an empty ext4, made by mke2fs, or FAT, made by us.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use bootwright_build::media::{Names, empty_fat, make_ext4};
use bootwright_formats::disk::Options;
use bootwright_formats::gpt::{self, Gpt, Guid, SectorSize, Table};
use bootwright_formats::mbr::{Mbr, types};
use bootwright_formats::{ExtentKind, Mosaic, ReadAt};

use super::copy;
use super::device::Device;
use crate::disks::fault;
use crate::failure::{Failure, Kind};

/// Partitions begin and end on it: what every tool takes.
const ALIGN: u64 = 1 << 20;

/// Less is of no use to anybody.
const MIN_SIZE: u64 = 16 << 20;

/// The largest cluster of FAT: the root directory of FAT32 is one.
const FAT_CLUSTER: u64 = 64 << 10;

/// What is in the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// ext4, by mke2fs of the package e2fsprogs
    Ext4,
    /// FAT, which every system reads
    Fat,
    /// Nothing yet
    None,
}

/// What will be added.
pub struct Plan {
    /// Its bytes on the device.
    pub range: Range<u64>,
    table: Kinds,
    format: Format,
    label: String,
    guid: Guid,
}

enum Kinds {
    Gpt(Gpt),
    Mbr { slot: usize },
}

/// What was added.
pub struct Partition {
    /// What is in it.
    pub format: Format,
    /// Its name, and that of the file system.
    pub label: String,
    /// Its number.
    pub number: u32,
    /// Its first byte.
    pub start: u64,
    /// Its bytes.
    pub size: u64,
}

impl Plan {
    /// Looks for room on a device of `size` bytes behind `image`, before anything is written.
    pub fn new(image: &dyn ReadAt, size: u64, format: Format, label: &str) -> Result<Self, Failure> {
        let usage =
            |what: String| Failure::message(Kind::Usage, format!("--persist: {what}. Nothing was written"));
        let longest = format.longest_label();
        if label.is_empty() || label.len() > longest || !label.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(usage(format!("the label {label:?} is not 1 to {longest} ASCII letters and signs")));
        }
        let (table, used, tail) = match Gpt::read(image) {
            Ok(gpt) => {
                let used = gpt.partitions.iter().map(|partition| partition.range.end).max().unwrap_or(0);
                let tail = Table::tail(gpt.sector);
                (Kinds::Gpt(gpt), used, tail)
            }
            Err(_) => {
                let mbr = Mbr::read(image, 512)
                    .map_err(|error| usage(format!("the image has no GPT, and: {error}")))?;
                let used = mbr.partitions.iter().map(|partition| partition.range.end).max().unwrap_or(0);
                let slot = free_slot(image).ok_or_else(|| usage("the MBR has no free entry".to_owned()))?;
                (Kinds::Mbr { slot }, used, 0)
            }
        };
        let start = used.max(image.size()).next_multiple_of(ALIGN);
        let end = size.saturating_sub(tail) / ALIGN * ALIGN;
        if end < start.saturating_add(MIN_SIZE) {
            let free = end.saturating_sub(start);
            return Err(usage(format!("only {free} bytes are free behind the image, fewer than {MIN_SIZE}")));
        }
        let seed = match &table {
            Kinds::Gpt(gpt) => gpt.disk_guid.bytes.to_vec(),
            Kinds::Mbr { .. } => label.as_bytes().to_vec(),
        };
        let guid = Options::new(seed).uuid("data partition");
        Ok(Self { table, range: start..end, format, label: label.to_owned(), guid })
    }

    fn names(&self) -> Names<'_> {
        Names { label: &self.label, guid: self.guid, epoch: 0 }
    }

    /// Has mke2fs make its file system on the device, which nobody may have open.
    pub fn make_ext4(&self, device: &Device) -> Result<(), Failure> {
        if self.format != Format::Ext4 {
            return Ok(());
        }
        make_ext4(&self.names(), &device.path, &self.range).map_err(|error| {
            let what = format!(
                "--persist: {error}. The image was not written; --persist-format fat needs no other program"
            );
            Failure::message(Kind::Environment, what)
        })
    }

    /// Writes FAT, and then the table.
    pub fn carry_out(self, to: &File, device: &Device) -> Result<Partition, Failure> {
        let failed = |error: io::Error| fault("--persist: adding the partition", &error);
        if self.format == Format::Fat {
            let sector = match &self.table {
                Kinds::Gpt(gpt) => gpt.sector,
                Kinds::Mbr { .. } => SectorSize::B512,
            };
            let volume = empty_fat(&self.names(), self.range.clone(), sector).map_err(io::Error::other);
            volume.and_then(|volume| put_fat(&*volume, to, self.range.start)).map_err(failed)?;
        }
        let number = match &self.table {
            Kinds::Gpt(gpt) => self.add_to_gpt(to, device.size, gpt.clone()),
            Kinds::Mbr { slot } => self.add_to_mbr(to, *slot),
        };
        let number = number.map_err(failed)?;
        let Self { range, format, label, .. } = self;
        Ok(Partition { format, label, number, start: range.start, size: range.end - range.start })
    }

    fn add_to_gpt(&self, to: &File, size: u64, gpt: Gpt) -> io::Result<u32> {
        let sector = gpt.sector;
        let number = gpt.partitions.iter().map(|partition| partition.number).max().unwrap_or(0) + 1;
        let mut partitions = gpt.partitions;
        partitions.push(gpt::Partition {
            number,
            kind: if self.format == Format::Fat { gpt::kinds::BASIC_DATA } else { gpt::kinds::LINUX },
            guid: self.guid,
            range: self.range.clone(),
            attributes: gpt::Attributes(0),
            name: self.label.clone(),
        });
        let disk_size = size / sector.bytes() * sector.bytes();
        let mut changes = Mosaic::new(disk_size);
        let table = Table { sector, disk_size, disk_guid: gpt.disk_guid, partitions };
        table.write(&mut changes).map_err(io::Error::other)?;
        put(&changes, to, 0)?;
        stretch_protective(to, disk_size, sector)?;
        Ok(number)
    }

    fn add_to_mbr(&self, to: &File, slot: usize) -> io::Result<u32> {
        let sectors =
            |bytes: u64| u32::try_from(bytes / 512).map_err(|_| io::Error::other("an MBR ends at 2 TiB"));
        let range = &self.range;
        let (start, count) = (sectors(range.start)?, sectors(range.end - range.start)?);
        // Cylinders, heads and sectors that are out of reach.
        let far = [0xfe, 0xff, 0xff];
        let mut entry = vec![0];
        entry.extend(far);
        entry.push(if self.format == Format::Fat { types::FAT32 } else { types::LINUX });
        entry.extend(far);
        entry.extend(start.to_le_bytes());
        entry.extend(count.to_le_bytes());
        to.write_all_at(&entry, 446 + 16 * slot as u64)?;
        Ok(slot as u32 + 1)
    }
}

impl Format {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Fat => "fat",
            Self::None => "none",
        }
    }

    fn longest_label(self) -> usize {
        match self {
            Self::Ext4 => 16,
            Self::Fat => 11,
            Self::None => 36,
        }
    }
}

/// Writes an empty FAT volume to `start`: its pieces, and zeros where its tables are empty. What lies in the clusters
/// that no file has may stay.
fn put_fat(volume: &dyn ReadAt, to: &File, start: u64) -> io::Result<()> {
    let mut end = 0;
    let mut at = 0;
    while at < volume.size() {
        let extent = volume.extent(at)?;
        if extent.kind == ExtentKind::Data {
            end = extent.range.end;
        }
        at = extent.range.end.max(at + 1);
    }
    let end = end.saturating_add(FAT_CLUSTER).min(volume.size());
    copy::zero(to, start, start + end)?;
    put(volume, to, start)
}

/// The first of the four entries that is all zeros.
fn free_slot(image: &dyn ReadAt) -> Option<usize> {
    let mut sector = [0; 512];
    image.read_exact_at(0, &mut sector).ok()?;
    let entries = sector.get(446..510)?;
    entries.chunks_exact(16).position(|entry| entry.iter().all(|&byte| byte == 0))
}

/// Writes the pieces of `changes` to `start`, and nothing between them.
fn put(changes: &dyn ReadAt, to: &File, start: u64) -> io::Result<()> {
    let mut at = 0;
    while at < changes.size() {
        let extent = changes.extent(at)?;
        if extent.kind == ExtentKind::Data {
            // Tables and directories of some KiB.
            let mut bytes = vec![0; (extent.range.end - extent.range.start) as usize];
            changes.read_exact_at(at, &mut bytes)?;
            to.write_all_at(&bytes, start + at)?;
        }
        at = extent.range.end.max(at + 1);
    }
    Ok(())
}

/// The protective entry, if it begins behind the MBR, covers the whole device.
fn stretch_protective(to: &File, size: u64, sector: SectorSize) -> io::Result<()> {
    let mut mbr = [0; 512];
    to.read_exact_at(&mut mbr, 0)?;
    let sectors = u32::try_from(size / sector.bytes() - 1).unwrap_or(u32::MAX);
    for entry in mbr.get_mut(446..510).unwrap_or_default().chunks_exact_mut(16) {
        if let [_, _, _, _, types::PROTECTIVE, _, _, _, 1, 0, 0, 0, count @ ..] = entry {
            count.copy_from_slice(&sectors.to_le_bytes());
        }
    }
    to.write_all_at(&mbr, 0)
}
