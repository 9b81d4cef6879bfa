//! The writer of records.

use std::ops::Range;

use super::{MAX_LOGICAL, types};
use crate::Mosaic;
use crate::fields::put;

/// Bytes of a sector: 4Kn disks carry GPT, not this.
const SECTOR: u64 = 512;

/// CHS that says "use the LBA" (cylinder 1023, head 254, sector 63).
const CHS: [u8; 3] = [0xfe, 0xff, 0xff];

/// An entry to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its type.
    pub kind: u8,
    /// Whether a BIOS boots it; some boot nothing from a stick without an active entry.
    pub active: bool,
    /// Its bytes on the disk, whole sectors.
    pub range: Range<u64>,
}

/// A first sector.
#[derive(Debug, Clone)]
pub struct Record {
    /// What a BIOS runs, at most 440 bytes.
    pub boot_code: Vec<u8>,
    /// The disk's signature.
    pub signature: u32,
    /// The four entries.
    pub entries: [Option<Entry>; 4],
}

/// Why a record is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Boot code that does not fit.
    #[error("MBR: {0} bytes of boot code, there is room for 440")]
    BootCode(usize),
    /// No whole sectors.
    #[error("MBR: a partition at {0} to {1} is no whole number of 512-byte sectors, or empty")]
    Unaligned(u64, u64),
    /// Past what 32 bits tell.
    #[error("MBR: a partition at {0} to {1} lies past 2 TiB: use GPT")]
    TooLarge(u64, u64),
    /// Logical partitions out of order, outside of the extended one, or without a sector before each.
    #[error("MBR: the logical partition at byte {0} has no room of its own in the extended partition")]
    Logical(u64),
}

impl Record {
    /// A record of nothing but `boot_code`, at most 440 bytes.
    pub fn new(boot_code: Vec<u8>, signature: u32) -> Self {
        Self { boot_code, signature, entries: [None, None, None, None] }
    }

    /// The record that covers a GPT on a disk of `size` bytes with sectors of `sector` bytes
    /// (UEFI 2.10, table 5.4).
    pub fn protective(size: u64, sector: u64) -> Vec<u8> {
        let mut bytes = vec![0; sector.max(SECTOR) as usize];
        let sectors = u32::try_from(size / sector - 1).unwrap_or(u32::MAX);
        put(&mut bytes, 446, &[0, 0, 2, 0, types::PROTECTIVE, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
        put(&mut bytes, 458, &sectors.to_le_bytes());
        put(&mut bytes, 510, &[0x55, 0xaa]);
        bytes
    }

    /// The 512 bytes.
    ///
    /// # Errors
    /// [`RecordError`] when something does not fit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        if self.boot_code.len() > 440 {
            return Err(RecordError::BootCode(self.boot_code.len()));
        }
        let mut bytes = vec![0; SECTOR as usize];
        put(&mut bytes, 0, &self.boot_code);
        put(&mut bytes, 440, &self.signature.to_le_bytes());
        for (index, entry) in self.entries.iter().enumerate() {
            if let Some(entry) = entry {
                put(&mut bytes, 446 + 16 * index, &entry.bytes(0)?);
            }
        }
        put(&mut bytes, 510, &[0x55, 0xaa]);
        Ok(bytes)
    }

    /// Puts the chain of the `logical` partitions into `disk`, for the extended partition `extended`: the
    /// record of each lies in the sector before it, the first one in the first sector of `extended`.
    ///
    /// # Errors
    /// [`RecordError::Logical`] when one has no room.
    pub fn chain(disk: &mut Mosaic, extended: &Range<u64>, logical: &[Entry]) -> Result<(), RecordError> {
        let mut records: Vec<u64> =
            logical.iter().map(|entry| entry.range.start.saturating_sub(SECTOR)).collect();
        if let Some(first) = records.first_mut() {
            *first = extended.start;
        }
        let mut free = extended.start;
        for (index, (entry, record)) in logical.iter().zip(&records).enumerate() {
            if *record < free || entry.range.end > extended.end || index >= MAX_LOGICAL {
                return Err(RecordError::Logical(entry.range.start));
            }
            free = entry.range.end;
            let mut bytes = vec![0; SECTOR as usize];
            put(&mut bytes, 446, &entry.bytes(*record)?);
            if let (Some(next), Some(after)) = (records.get(index + 1), logical.get(index + 1)) {
                let range = *next..after.range.end;
                let link = Entry { kind: types::EXTENDED, active: false, range };
                put(&mut bytes, 462, &link.bytes(extended.start)?);
            }
            put(&mut bytes, 510, &[0x55, 0xaa]);
            disk.bytes(*record, bytes);
        }
        Ok(())
    }
}

impl Entry {
    fn bytes(&self, base: u64) -> Result<[u8; 16], RecordError> {
        let Range { start, end } = self.range;
        if !start.is_multiple_of(SECTOR) || !end.is_multiple_of(SECTOR) || start >= end || start < base {
            return Err(RecordError::Unaligned(start, end));
        }
        let number =
            |bytes: u64| u32::try_from(bytes / SECTOR).map_err(|_| RecordError::TooLarge(start, end));
        let mut entry = [0; 16];
        put(&mut entry, 0, &[if self.active { 0x80 } else { 0 }]);
        put(&mut entry, 1, &CHS);
        put(&mut entry, 4, &[self.kind]);
        put(&mut entry, 5, &CHS);
        put(&mut entry, 8, &number(start - base)?.to_le_bytes());
        put(&mut entry, 12, &number(end - start)?.to_le_bytes());
        Ok(entry)
    }
}
