//! The reader of the record and of its chain of logical partitions.

use std::collections::BTreeSet;
use std::io;

use super::{MAX_LOGICAL, MbrPartition, is_extended, types};
use crate::ReadAt;
use crate::fields::{bytes_at, u8_at, u32_le};

/// What a record is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// It is the disk's only table.
    Plain,
    /// It covers a GPT.
    Protective,
    /// It covers a GPT and shows some of its partitions to who does not know it.
    Hybrid,
}

/// A disk's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mbr {
    /// What it is there for.
    pub scheme: Scheme,
    /// The disk's signature, the first half of a `PARTUUID`.
    pub signature: u32,
    /// Whether there is code that a BIOS could run.
    pub boot_code: bool,
    /// Primary, then logical partitions.
    pub partitions: Vec<MbrPartition>,
    /// What is wrong, each with its offset.
    pub damage: Vec<String>,
}

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
pub enum MbrError {
    /// The disk failed.
    #[error("MBR: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: io::Error,
    },
    /// Another kind of first sector.
    #[error("no MBR: {0}")]
    Absent(&'static str),
}

struct RawEntry {
    active: u8,
    kind: u8,
    first: u64,
    sectors: u64,
}

impl Mbr {
    /// Reads the record of a disk with sectors of `sector` bytes, 512 unless it is known to be otherwise.
    ///
    /// # Errors
    /// [`MbrError::Absent`] when the first sector is none: the boot sector of a file system ends in the same
    /// two bytes, so the four entries have to make sense too.
    pub fn read(disk: &(impl ReadAt + ?Sized), sector: u64) -> Result<Self, MbrError> {
        let head = match read_sector(disk, 0) {
            Err(MbrError::Read { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(MbrError::Absent("there are fewer than 512 bytes"));
            }
            other => other?,
        };
        let entries = entries(&head).ok_or(MbrError::Absent("the bytes 510 and 511 are not 55 aa"))?;
        if entries.iter().any(|entry| entry.active & 0x7f != 0) {
            return Err(MbrError::Absent("an entry's first byte is neither 00 nor 80"));
        }
        let mut mbr = Self {
            scheme: Scheme::Plain,
            signature: u32_le(&head, 440).unwrap_or(0),
            boot_code: head.iter().take(440).any(|byte| *byte != 0),
            partitions: Vec::new(),
            damage: Vec::new(),
        };
        for (entry, number) in entries.iter().zip(1..).filter(|(entry, _)| entry.kind != 0) {
            mbr.partitions.push(entry.partition(number, 0, sector));
        }
        if mbr.partitions.is_empty() {
            return Err(MbrError::Absent("none of the four entries is in use"));
        }
        let protective = mbr.partitions.iter().filter(|entry| entry.kind == types::PROTECTIVE).count();
        mbr.scheme = match protective {
            0 => Scheme::Plain,
            all if all == mbr.partitions.len() => Scheme::Protective,
            _ => Scheme::Hybrid,
        };
        if let Some(extended) = entries.iter().find(|entry| is_extended(entry.kind)) {
            mbr.follow(disk, extended, sector)?;
        }
        mbr.check(disk.size());
        Ok(mbr)
    }

    /// Follows the chain of an extended partition.
    fn follow(
        &mut self,
        disk: &(impl ReadAt + ?Sized),
        extended: &RawEntry,
        sector: u64,
    ) -> Result<(), MbrError> {
        let mut seen = BTreeSet::new();
        let mut next = Some(extended.first);
        while let Some(lba) = next.take() {
            let offset = lba.saturating_mul(sector);
            if !seen.insert(lba) {
                self.damage.push(format!("the chain of logical partitions comes back to byte {offset}"));
                return Ok(());
            }
            if seen.len() > MAX_LOGICAL {
                self.damage.push(format!("more than {MAX_LOGICAL} logical partitions, at byte {offset}"));
                return Ok(());
            }
            let record = match read_sector(disk, offset) {
                Err(MbrError::Read { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => {
                    self.damage.push(format!("the extended boot record at byte {offset} is past the end"));
                    return Ok(());
                }
                other => other?,
            };
            let Some(entries) = entries(&record) else {
                self.damage.push(format!("there is no extended boot record at byte {offset}"));
                return Ok(());
            };
            let [logical, link, ..] = &entries;
            if logical.kind != 0 && !is_extended(logical.kind) {
                // Logical partitions count from 5; as many as were seen so far.
                let number =
                    self.partitions.iter().filter(|partition| partition.number > 4).count() as u32 + 5;
                self.partitions.push(logical.partition(number, lba, sector));
            }
            if is_extended(link.kind) && link.sectors != 0 {
                next = Some(extended.first.saturating_add(link.first));
            }
        }
        Ok(())
    }

    fn check(&mut self, size: u64) {
        for partition in &self.partitions {
            // A protective entry covers the largest disk that it can tell.
            if partition.kind != types::PROTECTIVE && partition.range.end > size {
                self.damage.push(format!(
                    "partition {} ends at byte {}, the disk at {size}",
                    partition.number, partition.range.end
                ));
            }
        }
    }
}

impl RawEntry {
    fn partition(&self, number: u32, base: u64, sector: u64) -> MbrPartition {
        let start = base.saturating_add(self.first);
        let end = start.saturating_add(self.sectors);
        MbrPartition {
            number,
            kind: self.kind,
            active: self.active == 0x80,
            range: start.saturating_mul(sector)..end.saturating_mul(sector),
        }
    }
}

fn read_sector(disk: &(impl ReadAt + ?Sized), offset: u64) -> Result<[u8; 512], MbrError> {
    let mut bytes = [0; 512];
    disk.read_exact_at(offset, &mut bytes).map_err(|source| MbrError::Read { offset, source })?;
    Ok(bytes)
}

/// The four entries of a sector that ends as a record does.
fn entries(sector: &[u8]) -> Option<[RawEntry; 4]> {
    if bytes_at(sector, 510)? != [0x55, 0xaa] {
        return None;
    }
    let entry = |at| {
        Some(RawEntry {
            active: u8_at(sector, at)?,
            kind: u8_at(sector, at + 4)?,
            first: u32_le(sector, at + 8)?.into(),
            sectors: u32_le(sector, at + 12)?.into(),
        })
    };
    Some([entry(446)?, entry(462)?, entry(478)?, entry(494)?])
}
