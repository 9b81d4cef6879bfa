//! The writer: both copies of a table.

use super::{ENTRY, Guid, HEADER, NAME, Partition, SIGNATURE, SectorSize};
use crate::Mosaic;
use crate::fields::put;

/// Entries of the table: what every system writes and some firmware demands.
const ENTRIES: usize = 128;

const REVISION: u32 = 0x0001_0000;

/// A table to be written.
#[derive(Debug, Clone)]
pub struct Table {
    /// Bytes of a sector.
    pub sector: SectorSize,
    /// The disk's bytes: a multiple of the sector.
    pub disk_size: u64,
    /// The disk's name.
    pub disk_guid: Guid,
    /// Its partitions; each has its [`number`](Partition::number).
    pub partitions: Vec<Partition>,
}

/// Why a table is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A size that is no whole number of sectors.
    #[error("GPT: {what} is {value} bytes, no multiple of the sector's {sector}")]
    Unaligned {
        /// What it is the size or place of.
        what: String,
        /// The value.
        value: u64,
        /// Bytes of a sector.
        sector: u64,
    },
    /// A disk without room for the two copies.
    #[error("GPT: a disk of {0} bytes has no room for the two copies of the table")]
    Small(u64),
    /// A partition where none can be.
    #[error(
        "GPT: partition {number} at {start} to {end} is outside of the disk's usable bytes {first} to {last}"
    )]
    Outside {
        /// The partition.
        number: u32,
        /// First byte.
        start: u64,
        /// One past its last byte.
        end: u64,
        /// First usable byte of the disk.
        first: u64,
        /// One past the last usable byte.
        last: u64,
    },
    /// Two at the same place, or of the same number.
    #[error("GPT: partitions {0} and {1} overlap or have the same number")]
    Overlap(u32, u32),
    /// A number that the table has no row for.
    #[error("GPT: there is no partition {0}: the table has {ENTRIES} entries, counted from 1")]
    Number(u32),
    /// A name of more than 36 UTF-16 units.
    #[error("GPT: the name {0:?} is longer than {NAME} characters")]
    Name(String),
}

impl Table {
    /// Sectors of one copy's table.
    const fn table_sectors(sector: SectorSize) -> u64 {
        ((ENTRIES * ENTRY) as u64).div_ceil(sector.bytes())
    }

    /// Bytes at the disk's start that no partition may use.
    pub const fn head(sector: SectorSize) -> u64 {
        (2 + Self::table_sectors(sector)) * sector.bytes()
    }

    /// Bytes at the disk's end that no partition may use.
    pub const fn tail(sector: SectorSize) -> u64 {
        (1 + Self::table_sectors(sector)) * sector.bytes()
    }

    /// Puts both copies into `disk`, which has [`disk_size`](Self::disk_size) bytes. The first sector stays
    /// free for an [MBR](crate::mbr).
    ///
    /// # Errors
    /// [`TableError`] when the partitions do not fit.
    pub fn write(&self, disk: &mut Mosaic) -> Result<(), TableError> {
        let entries = self.entries()?;
        let unit = self.sector.bytes();
        let last = self.disk_size / unit - 1;
        let table = Self::table_sectors(self.sector);
        let crc = crc32fast::hash(&entries);
        disk.bytes(unit, self.header(1, last, 2, crc));
        disk.bytes(2 * unit, entries.clone());
        disk.bytes((last - table) * unit, entries);
        disk.bytes(last * unit, self.header(last, 1, last - table, crc));
        Ok(())
    }

    fn header(&self, own: u64, other: u64, table: u64, crc: u32) -> Vec<u8> {
        let unit = self.sector.bytes();
        let first_usable = Self::head(self.sector) / unit;
        let last_usable = (self.disk_size - Self::tail(self.sector)) / unit - 1;
        let mut header = vec![0; unit as usize];
        put(&mut header, 0, SIGNATURE);
        put(&mut header, 8, &REVISION.to_le_bytes());
        put(&mut header, 12, &(HEADER as u32).to_le_bytes());
        for (offset, lba) in [(24, own), (32, other), (40, first_usable), (48, last_usable), (72, table)] {
            put(&mut header, offset, &lba.to_le_bytes());
        }
        put(&mut header, 56, &self.disk_guid.bytes);
        put(&mut header, 80, &(ENTRIES as u32).to_le_bytes());
        put(&mut header, 84, &(ENTRY as u32).to_le_bytes());
        put(&mut header, 88, &crc.to_le_bytes());
        let own_crc = crc32fast::hash(header.get(..HEADER).unwrap_or_default());
        put(&mut header, 16, &own_crc.to_le_bytes());
        header
    }

    fn entries(&self) -> Result<Vec<u8>, TableError> {
        self.check()?;
        let unit = self.sector.bytes();
        let mut table = vec![0; ENTRIES * ENTRY];
        for partition in &self.partitions {
            let at = ENTRY * (partition.number as usize - 1);
            put(&mut table, at, &partition.kind.bytes);
            put(&mut table, at + 16, &partition.guid.bytes);
            put(&mut table, at + 32, &(partition.range.start / unit).to_le_bytes());
            put(&mut table, at + 40, &(partition.range.end / unit - 1).to_le_bytes());
            put(&mut table, at + 48, &partition.attributes.0.to_le_bytes());
            let name: Vec<u8> = partition.name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            if name.len() > 2 * NAME {
                return Err(TableError::Name(partition.name.clone()));
            }
            put(&mut table, at + 56, &name);
        }
        Ok(table)
    }

    fn check(&self) -> Result<(), TableError> {
        let sector = self.sector.bytes();
        let aligned = |what: &dyn Fn() -> String, value: u64| match value.is_multiple_of(sector) {
            true => Ok(()),
            false => Err(TableError::Unaligned { what: what(), value, sector }),
        };
        aligned(&|| "the disk".to_owned(), self.disk_size)?;
        let first = Self::head(self.sector);
        let last = self.disk_size.checked_sub(Self::tail(self.sector)).filter(|last| *last > first);
        let last = last.ok_or(TableError::Small(self.disk_size))?;
        let mut sorted: Vec<&Partition> = self.partitions.iter().collect();
        sorted.sort_by_key(|partition| partition.range.start);
        for partition in &sorted {
            let (number, start, end) = (partition.number, partition.range.start, partition.range.end);
            aligned(&|| format!("the start of partition {number}"), start)?;
            aligned(&|| format!("the end of partition {number}"), end)?;
            if number == 0 || number as usize > ENTRIES {
                return Err(TableError::Number(number));
            }
            if start < first || end > last || start >= end {
                return Err(TableError::Outside { number, start, end, first, last });
            }
            let twin = sorted.iter().find(|other| other.number == number && other.range != partition.range);
            if let Some(twin) = twin {
                return Err(TableError::Overlap(number, twin.number));
            }
        }
        for pair in sorted.windows(2) {
            if let [a, b] = pair
                && b.range.start < a.range.end
            {
                return Err(TableError::Overlap(a.number, b.number));
            }
        }
        Ok(())
    }
}
