//! A new partition for the cache: on a blank disk, or where a GPT has room.

use std::ops::Range;

use bootwright_formats::cache::ALIGNMENT;
use bootwright_formats::gpt::{Attributes, Gpt, Guid, Partition, SectorSize, Table, TableError, kinds};
use bootwright_formats::mbr::Record;
use bootwright_formats::{Mosaic, ReadAt as _};

use super::device::{Device, DeviceError};

/// The name of the partition in the table.
pub const LABEL: &str = "bootwright-cache";

/// A partition that is smaller is of no use to anybody.
const SMALLEST: u64 = 64 << 20;

/// The highest number of a partition.
const NUMBERS: u32 = 128;

/// Why none is made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The disk is full.
    #[error("the largest run of free bytes has {} MiB, and {} MiB are the least", .0 >> 20, SMALLEST >> 20)]
    NoRoom(u64),
    /// The table is damaged.
    #[error("its GPT is not touched: {0}")]
    Damaged(String),
    /// The table is one that we do not write.
    #[error("its GPT is not touched")]
    Table(#[from] TableError),
    /// The disk failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// A table with the new partition in it, and its number. `gpt` is what the disk has; `random` makes the names.
pub fn plan(
    gpt: Option<&Gpt>,
    (size, sector): (u64, SectorSize),
    mut random: impl FnMut() -> Guid,
) -> Result<(Table, u32), CreateError> {
    // What is left over behind the last whole sector is not the table's.
    let disk_size = size / sector.bytes() * sector.bytes();
    let mut table = match gpt {
        Some(gpt) => match gpt.damage.first() {
            Some(damage) => return Err(CreateError::Damaged(damage.to_string())),
            None => {
                let (disk_guid, partitions) = (gpt.disk_guid, gpt.partitions.clone());
                Table { sector: gpt.sector, disk_size, disk_guid, partitions }
            }
        },
        None => Table { sector, disk_size, disk_guid: random(), partitions: Vec::new() },
    };
    let range = largest_gap(&table);
    let length = range.end.saturating_sub(range.start);
    let free = |number: &u32| table.partitions.iter().all(|partition| partition.number != *number);
    let number =
        (1..=NUMBERS).find(free).filter(|_| length >= SMALLEST).ok_or(CreateError::NoRoom(length))?;
    let attributes = Attributes(Attributes::NO_AUTO);
    let (kind, guid, name) = (kinds::CACHE, random(), LABEL.to_owned());
    table.partitions.push(Partition { number, kind, guid, range, attributes, name });
    Ok((table, number))
}

/// The largest run of bytes that belong to nobody, from a multiple of 1 MiB to another.
fn largest_gap(table: &Table) -> Range<u64> {
    let mut taken: Vec<_> = table.partitions.iter().map(|partition| partition.range.clone()).collect();
    let end = table.disk_size.saturating_sub(Table::tail(table.sector));
    taken.push(end..end);
    taken.sort_by_key(|range| range.start);
    let (mut at, mut largest) = (Table::head(table.sector), 0..0);
    for range in taken {
        let gap = at.next_multiple_of(ALIGNMENT)..range.start - range.start % ALIGNMENT;
        if gap.end.saturating_sub(gap.start) > largest.end - largest.start {
            largest = gap;
        }
        at = at.max(range.end);
    }
    largest
}

/// Writes `table`, and the record in front of it when the disk is `blank`. When power goes meanwhile, the old table
/// counts or the new one: the copy at the end is whole before the one at the start is touched.
pub fn write(disk: &Device, table: &Table, blank: bool) -> Result<(), CreateError> {
    let mut made = Mosaic::new(table.disk_size);
    table.write(&mut made)?;
    let tail = table.disk_size - Table::tail(table.sector)..table.disk_size;
    let head = table.sector.bytes()..Table::head(table.sector);
    for range in [tail, head] {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
        made.read_exact_at(range.start, &mut bytes).map_err(|source| DeviceError {
            device: disk.path().to_owned(),
            offset: range.start,
            doing: "laying a GPT out",
            source,
        })?;
        disk.write(range.start, &bytes)?;
        disk.sync()?;
    }
    if blank {
        disk.write(0, &Record::protective(table.disk_size, table.sector.bytes()))?;
        disk.sync()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    const MIB: u64 = 1 << 20;

    fn disk(directory: &Path, size: u64) -> Device {
        let path = directory.join("disk");
        std::fs::File::create(&path).unwrap().set_len(size).unwrap();
        Device::open(&path).unwrap()
    }

    fn random() -> impl FnMut() -> Guid {
        let mut number = 0;
        move || {
            number += 1;
            Guid::seeded([number; 16])
        }
    }

    fn sgdisk(disk: &Device, arguments: &[&str]) -> String {
        let output = Command::new("sgdisk").args(arguments).arg(disk.path()).output();
        let output = output.unwrap_or_else(|error| panic!("sgdisk: {error}: package gdisk"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn a_blank_disk_becomes_one_partition_and_sgdisk_finds_no_fault() {
        let directory = tempfile::tempdir().unwrap();
        let disk = disk(directory.path(), 256 * MIB + 512);
        let (table, number) = plan(None, (disk.size(), SectorSize::B512), random()).unwrap();
        write(&disk, &table, true).unwrap();
        assert!(sgdisk(&disk, &["--verify"]).contains("No problems found"));
        let shown = sgdisk(&disk, &["--info=1"]).to_lowercase();
        assert!(shown.contains(&kinds::CACHE.to_string()) && shown.contains(LABEL), "{shown}");
        let gpt = Gpt::read(&disk).unwrap();
        assert_eq!((number, gpt.partitions[0].range.clone()), (1, MIB..255 * MIB));
    }

    #[test]
    fn what_another_program_has_partitioned_stays_as_it_is_and_the_largest_gap_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let disk = disk(directory.path(), 1024 * MIB);
        sgdisk(
            &disk,
            &["--new=1:1M:+100M", "--new=3:200M:+100M", "--typecode=1:ef00", "--change-name=3:data"],
        );
        let before = Gpt::read(&disk).unwrap();
        let (table, number) = plan(Some(&before), (disk.size(), before.sector), random()).unwrap();
        write(&disk, &table, false).unwrap();
        assert!(sgdisk(&disk, &["--verify"]).contains("No problems found"));
        let after = Gpt::read(&disk).unwrap();
        assert_eq!((number, after.disk_guid), (2, before.disk_guid));
        let new = after.partitions.iter().find(|partition| partition.number == 2).unwrap();
        assert_eq!((new.kind, new.range.start), (kinds::CACHE, 300 * MIB));
        for old in &before.partitions {
            assert!(after.partitions.contains(old));
        }
        // There is no room for another one but in front.
        let (again, _) = plan(Some(&after), (disk.size(), after.sector), random()).unwrap();
        assert_eq!(again.partitions.last().unwrap().range, 101 * MIB..200 * MIB);
    }

    #[test]
    fn a_full_disk_and_a_damaged_table_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let disk = disk(directory.path(), 256 * MIB);
        sgdisk(&disk, &["--largest-new=1"]);
        let gpt = Gpt::read(&disk).unwrap();
        let full = plan(Some(&gpt), (disk.size(), gpt.sector), random());
        assert!(matches!(full, Err(CreateError::NoRoom(0))), "{full:?}");
        disk.write(disk.size() - 512, &[0; 512]).unwrap();
        let gpt = Gpt::read(&disk).unwrap();
        let damaged = plan(Some(&gpt), (disk.size(), gpt.sector), random());
        assert!(matches!(damaged, Err(CreateError::Damaged(_))), "{damaged:?}");
    }
}
