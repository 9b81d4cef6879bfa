//! `--persist`: a partition for data in the space behind the image.
//!
//! The image's own table says where there is room. A GPT is written anew with one more entry, its second copy
//! at the device's end, and the protective MBR follows; an MBR gets an entry in its first free place. Boot
//! code and everything else stay as they are. The partition has no file system: which one a live system wants,
//! and under which label, it says itself.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use bootwright_formats::disk::Options;
use bootwright_formats::gpt::{self, Gpt, SectorSize, Table};
use bootwright_formats::mbr::{Mbr, types};
use bootwright_formats::{ExtentKind, Mosaic, ReadAt};

use super::device::Device;
use crate::disks::fault;
use crate::failure::{Failure, Kind};

/// Partitions begin and end on it: what every tool takes.
const ALIGN: u64 = 1 << 20;

/// Less is of no use to anybody.
const MIN_SIZE: u64 = 16 << 20;

/// What will be added.
pub struct Plan {
    table: Kinds,
    range: std::ops::Range<u64>,
}

enum Kinds {
    Gpt(Gpt),
    Mbr { slot: usize },
}

/// What was added.
pub struct Partition {
    /// Its number.
    pub number: u32,
    /// Its first byte.
    pub start: u64,
    /// Its bytes.
    pub size: u64,
}

impl Plan {
    /// Looks for room on a device of `size` bytes behind `image`, before anything is written.
    pub fn new(image: &dyn ReadAt, size: u64) -> Result<Self, Failure> {
        let usage =
            |what: String| Failure::message(Kind::Usage, format!("--persist: {what}. Nothing was written"));
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
        Ok(Self { table, range: start..end })
    }

    /// Writes the table.
    pub fn carry_out(self, to: &File, device: &Device) -> Result<Partition, Failure> {
        let Self { table, range } = self;
        let number = match table {
            Kinds::Gpt(gpt) => add_to_gpt(to, device.size, gpt, &range),
            Kinds::Mbr { slot } => add_to_mbr(to, slot, &range),
        };
        let number = number.map_err(|error| fault("--persist: adding the partition", &error))?;
        Ok(Partition { number, start: range.start, size: range.end - range.start })
    }
}

/// The first of the four entries that is all zeros.
fn free_slot(image: &dyn ReadAt) -> Option<usize> {
    let mut sector = [0; 512];
    image.read_exact_at(0, &mut sector).ok()?;
    let entries = sector.get(446..510)?;
    entries.chunks_exact(16).position(|entry| entry.iter().all(|&byte| byte == 0))
}

fn add_to_gpt(to: &File, size: u64, gpt: Gpt, range: &std::ops::Range<u64>) -> io::Result<u32> {
    let sector = gpt.sector;
    let number = gpt.partitions.iter().map(|partition| partition.number).max().unwrap_or(0) + 1;
    let mut partitions = gpt.partitions;
    partitions.push(gpt::Partition {
        number,
        kind: gpt::kinds::LINUX,
        guid: Options::new(gpt.disk_guid.bytes).uuid("data partition"),
        range: range.clone(),
        attributes: gpt::Attributes(0),
        name: "data".to_owned(),
    });
    let disk_size = size / sector.bytes() * sector.bytes();
    let mut changes = Mosaic::new(disk_size);
    let table = Table { sector, disk_size, disk_guid: gpt.disk_guid, partitions };
    table.write(&mut changes).map_err(io::Error::other)?;
    put(&changes, to)?;
    stretch_protective(to, disk_size, sector)?;
    Ok(number)
}

/// Writes the pieces of `changes`, and nothing between them.
fn put(changes: &Mosaic, to: &File) -> io::Result<()> {
    let mut at = 0;
    while at < changes.size() {
        let extent = changes.extent(at)?;
        if extent.kind == ExtentKind::Data {
            // Tables of some KiB.
            let mut bytes = vec![0; (extent.range.end - extent.range.start) as usize];
            changes.read_exact_at(at, &mut bytes)?;
            to.write_all_at(&bytes, at)?;
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

fn add_to_mbr(to: &File, slot: usize, range: &std::ops::Range<u64>) -> io::Result<u32> {
    let sectors =
        |bytes: u64| u32::try_from(bytes / 512).map_err(|_| io::Error::other("an MBR ends at 2 TiB"));
    let (start, count) = (sectors(range.start)?, sectors(range.end - range.start)?);
    // Cylinders, heads and sectors that are out of reach.
    let far = [0xfe, 0xff, 0xff];
    let mut entry = vec![0];
    entry.extend(far);
    entry.push(types::LINUX);
    entry.extend(far);
    entry.extend(start.to_le_bytes());
    entry.extend(count.to_le_bytes());
    to.write_all_at(&entry, 446 + 16 * slot as u64)?;
    Ok(slot as u32 + 1)
}
