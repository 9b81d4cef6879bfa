//! The reader: both copies, and what is wrong with them.

mod damage;
mod header;

use std::io;

use header::Header;

use super::{Guid, Partition, SIGNATURE, SectorSize, kinds};
use crate::ReadAt;

pub use damage::{Damage, GptError, Side};

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

impl Partition {
    /// What its type is called, or the type itself.
    pub fn kind_name(&self) -> String {
        kinds::name(self.kind).unwrap_or_else(|| self.kind.to_string())
    }
}
