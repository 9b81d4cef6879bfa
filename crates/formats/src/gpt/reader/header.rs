//! The header, and the entries of its table.

use super::Gpt;
use crate::fields::{bytes_at, u16_le, u32_le, u64_le};
use crate::gpt::{Attributes, ENTRY, Guid, HEADER, MAX_TABLE, NAME, Partition, SectorSize};

/// The header of one copy.
pub(super) struct Header {
    pub alternate: u64,
    first_usable: u64,
    last_usable: u64,
    disk_guid: Guid,
    pub table_lba: u64,
    entries: u32,
    entry_size: u32,
    pub table_crc: u32,
}

impl Header {
    /// Checks the header that fills `sector` and lies at `lba`.
    pub(super) fn parse(sector: &[u8], lba: u64) -> Result<Self, String> {
        let short = || "the header is cut off".to_owned();
        let size = u32_le(sector, 12).ok_or_else(short)? as usize;
        if size < HEADER || size > sector.len() {
            return Err(format!("the header claims to have {size} bytes"));
        }
        let said = u32_le(sector, 16).ok_or_else(short)?;
        let mut summed = sector.get(..size).ok_or_else(short)?.to_vec();
        summed.iter_mut().skip(16).take(4).for_each(|byte| *byte = 0);
        let found = crc32fast::hash(&summed);
        if found != said {
            return Err(format!("the header's CRC-32 is {found:08x}, it says {said:08x}"));
        }
        let read = || {
            Some(Self {
                alternate: u64_le(sector, 32)?,
                first_usable: u64_le(sector, 40)?,
                last_usable: u64_le(sector, 48)?,
                disk_guid: Guid { bytes: bytes_at(sector, 56)? },
                table_lba: u64_le(sector, 72)?,
                entries: u32_le(sector, 80)?,
                entry_size: u32_le(sector, 84)?,
                table_crc: u32_le(sector, 88)?,
            })
        };
        let header = read().ok_or_else(short)?;
        match u64_le(sector, 24) {
            Some(own) if own == lba => {}
            own => {
                return Err(format!("the header says that it lies at LBA {}, not {lba}", own.unwrap_or(0)));
            }
        }
        let (count, size) = (header.entries, header.entry_size);
        if size < ENTRY as u32 || !size.is_multiple_of(8) {
            return Err(format!("an entry of the table cannot have {size} bytes"));
        }
        if u64::from(count) * u64::from(size) > MAX_TABLE {
            return Err(format!("{count} entries of {size} bytes are more than {MAX_TABLE} bytes"));
        }
        Ok(header)
    }

    /// At most [`MAX_TABLE`], as [`parse`](Self::parse) has checked.
    pub(super) fn table_bytes(&self) -> usize {
        self.entries as usize * self.entry_size as usize
    }

    /// The table, of which nothing is checked yet but its checksum.
    pub(super) fn gpt(&self, table: &[u8], sector: SectorSize) -> Gpt {
        let entries = table.chunks(self.entry_size as usize).zip(1..);
        Gpt {
            sector,
            disk_guid: self.disk_guid,
            first_usable: self.first_usable,
            last_usable: self.last_usable,
            partitions: entries.filter_map(|(entry, number)| parse_entry(entry, number, sector)).collect(),
            damage: Vec::new(),
        }
    }
}

/// `None` for an entry that is not used.
fn parse_entry(entry: &[u8], number: u32, sector: SectorSize) -> Option<Partition> {
    let kind = Guid { bytes: bytes_at(entry, 0)? };
    if kind == Guid::NIL {
        return None;
    }
    let units: Vec<u16> =
        (0..NAME).map_while(|index| u16_le(entry, 56 + 2 * index)).take_while(|unit| *unit != 0).collect();
    let start = u64_le(entry, 32)?.saturating_mul(sector.bytes());
    let end = u64_le(entry, 40)?.saturating_add(1).saturating_mul(sector.bytes());
    Some(Partition {
        number,
        kind,
        guid: Guid { bytes: bytes_at(entry, 16)? },
        range: start..end,
        attributes: Attributes(u64_le(entry, 48)?),
        name: String::from_utf16_lossy(&units),
    })
}
