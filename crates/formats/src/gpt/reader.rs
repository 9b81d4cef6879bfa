//! The reader: both copies, and what is wrong with them.

use std::fmt;
use std::io;

use super::{Attributes, ENTRY, Guid, HEADER, MAX_TABLE, NAME, Partition, SIGNATURE, SectorSize, kinds};
use crate::ReadAt;
use crate::fields::{bytes_at, u16_le, u32_le, u64_le};

/// One of the two copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At the disk's start.
    Primary,
    /// At its end.
    Backup,
}

/// Something that is wrong with a table that can still be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which copy.
    pub side: Side,
    /// Where on the disk, in bytes.
    pub offset: u64,
    /// What it is.
    pub problem: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Primary => "primary",
            Side::Backup => "backup",
        };
        write!(f, "{side} GPT at byte {}: {}", self.offset, self.problem)
    }
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum GptError {
    /// The disk failed.
    #[error("GPT: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: io::Error,
    },
    /// No header at all.
    #[error("no GPT: neither the second nor the last sector begins with \"EFI PART\"")]
    Absent,
    /// Headers, but none that can be used.
    #[error("both copies of the GPT are damaged: {primary}; {backup}")]
    Damaged {
        /// The copy at the start.
        primary: Damage,
        /// The copy at the end.
        backup: Damage,
    },
}

/// A disk's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpt {
    /// Bytes of a sector.
    pub sector: SectorSize,
    /// The disk's name.
    pub disk_guid: Guid,
    /// First sector that a partition may use.
    pub first_usable: u64,
    /// Last sector that a partition may use.
    pub last_usable: u64,
    /// The partitions, in the table's order.
    pub partitions: Vec<Partition>,
    /// What is wrong with either copy, and with the partitions.
    pub damage: Vec<Damage>,
}

impl Gpt {
    /// Reads the table of `disk`. One copy that is whole is enough.
    ///
    /// # Errors
    /// [`GptError::Absent`] when this is another kind of disk.
    pub fn read(disk: &(impl ReadAt + ?Sized)) -> Result<Self, GptError> {
        for sector in [SectorSize::B512, SectorSize::B4096] {
            let last = (disk.size() / sector.bytes()).saturating_sub(1);
            let primary = Copy::read(disk, sector, Side::Primary, 1);
            // Where the primary says its other copy is, if it can be believed, else at the disk's end.
            let elsewhere = primary.as_ref().ok().map(|copy| copy.alternate).filter(|lba| *lba <= last);
            let backup = Copy::read(disk, sector, Side::Backup, elsewhere.unwrap_or(last));
            match (primary, backup) {
                (Ok(primary), Ok(backup)) => return Ok(primary.and(backup, last)),
                (Ok(good), Err(bad)) | (Err(bad), Ok(good)) => return Ok(good.without(bad.damage(), last)),
                (Err(Flaw::NoHeader(_)), Err(Flaw::NoHeader(_))) => {}
                (Err(Flaw::Unread { offset, source, .. }), _)
                | (_, Err(Flaw::Unread { offset, source, .. })) => {
                    return Err(GptError::Read { offset, source });
                }
                (Err(primary), Err(backup)) => {
                    let (primary, backup) = (primary.damage(), backup.damage());
                    return Err(GptError::Damaged { primary, backup });
                }
            }
        }
        Err(GptError::Absent)
    }

    /// The first partition of that type.
    pub fn of_kind(&self, kind: Guid) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.kind == kind)
    }
}

/// What keeps a copy from being used.
enum Flaw {
    /// There is none.
    NoHeader(Damage),
    /// There is one, and it is wrong.
    Wrong(Damage),
    /// The disk failed there.
    Unread { side: Side, offset: u64, source: io::Error },
}

impl Flaw {
    fn damage(self) -> Damage {
        match self {
            Self::NoHeader(damage) | Self::Wrong(damage) => damage,
            Self::Unread { side, offset, source } => {
                Damage { side, offset, problem: format!("it cannot be read: {source}") }
            }
        }
    }
}

/// One copy whose checksums are right.
struct Copy {
    side: Side,
    header_at: u64,
    alternate: u64,
    table_at: u64,
    gpt: Gpt,
}

impl Copy {
    fn read(disk: &(impl ReadAt + ?Sized), sector: SectorSize, side: Side, lba: u64) -> Result<Self, Flaw> {
        let offset = lba * sector.bytes();
        let damage = |offset, problem| Damage { side, offset, problem };
        let mut head = vec![0; sector.bytes() as usize];
        match disk.read_exact_at(offset, &mut head) {
            Ok(()) if head.starts_with(SIGNATURE) => {}
            Err(source) if offset.saturating_add(sector.bytes()) <= disk.size() => {
                return Err(Flaw::Unread { side, offset, source });
            }
            _ => {
                let problem = "there is no header (\"EFI PART\")".to_owned();
                return Err(Flaw::NoHeader(damage(offset, problem)));
            }
        }
        let header = match Header::parse(&head, lba) {
            Ok(header) => header,
            Err(problem) => return Err(Flaw::Wrong(damage(offset, problem))),
        };
        let table_at = header.table_lba.saturating_mul(sector.bytes());
        let mut table = vec![0; header.table_bytes()];
        match disk.read_exact_at(table_at, &mut table) {
            Ok(()) => {}
            Err(_) if table_at.saturating_add(table.len() as u64) > disk.size() => {
                let problem = format!("the table at LBA {} lies past the disk's end", header.table_lba);
                return Err(Flaw::Wrong(damage(offset, problem)));
            }
            Err(source) => return Err(Flaw::Unread { side, offset: table_at, source }),
        }
        let found = crc32fast::hash(&table);
        if found != header.table_crc {
            let problem = format!(
                "the table's CRC-32 is {found:08x}, the header at byte {offset} says {:08x}",
                header.table_crc
            );
            return Err(Flaw::Wrong(damage(table_at, problem)));
        }
        let gpt = header.gpt(&table, sector);
        Ok(Self { side, header_at: offset, alternate: header.alternate, table_at, gpt })
    }

    /// The table, when the other copy is whole too.
    fn and(mut self, other: Self, last: u64) -> Gpt {
        if self.gpt.partitions != other.gpt.partitions || self.gpt.disk_guid != other.gpt.disk_guid {
            let problem = "it differs from the primary one, though its checksums are right".to_owned();
            self.gpt.damage.push(Damage { side: Side::Backup, offset: other.table_at, problem });
        }
        self.checked(last)
    }

    /// The table, when the other copy has `damage`.
    fn without(mut self, damage: Damage, last: u64) -> Gpt {
        self.gpt.damage.push(damage);
        self.checked(last)
    }

    /// Adds what is wrong with header and partitions.
    fn checked(self, last: u64) -> Gpt {
        let Self { side, header_at, alternate, table_at, mut gpt } = self;
        if side == Side::Primary && alternate != last {
            let problem = format!(
                "it says that the disk's last sector is LBA {alternate}, it is {last}: the disk was made larger or cut off"
            );
            gpt.damage.push(Damage { side, offset: header_at, problem });
        }
        let unit = gpt.sector.bytes();
        let usable =
            gpt.first_usable.saturating_mul(unit)..gpt.last_usable.saturating_add(1).saturating_mul(unit);
        let mut sorted: Vec<&Partition> = gpt.partitions.iter().collect();
        sorted.sort_by_key(|partition| partition.range.start);
        let mut problems = Vec::new();
        for partition in &sorted {
            if partition.range.is_empty() {
                problems.push(format!("partition {} ends before it begins", partition.number));
            } else if partition.range.start < usable.start || partition.range.end > usable.end {
                problems.push(format!("partition {} lies outside of the usable sectors", partition.number));
            }
        }
        for pair in sorted.windows(2) {
            if let [a, b] = pair
                && b.range.start < a.range.end
            {
                problems.push(format!("partitions {} and {} overlap", a.number, b.number));
            }
        }
        gpt.damage.extend(problems.into_iter().map(|problem| Damage { side, offset: table_at, problem }));
        gpt
    }
}

struct Header {
    alternate: u64,
    first_usable: u64,
    last_usable: u64,
    disk_guid: Guid,
    table_lba: u64,
    entries: u32,
    entry_size: u32,
    table_crc: u32,
}

impl Header {
    fn parse(sector: &[u8], lba: u64) -> Result<Self, String> {
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
    fn table_bytes(&self) -> usize {
        self.entries as usize * self.entry_size as usize
    }

    fn gpt(&self, table: &[u8], sector: SectorSize) -> Gpt {
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

impl Partition {
    /// What its type is called, or the type itself.
    pub fn kind_name(&self) -> String {
        kinds::name(self.kind).unwrap_or_else(|| self.kind.to_string())
    }
}
