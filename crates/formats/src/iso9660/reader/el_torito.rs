//! The boot catalogue (El Torito 1.0).

use std::fmt;

use super::{IsoError, SECTOR, read};
use crate::Shared;
use crate::fields::{u8_at, u16_le, u32_le};

const ENTRY: usize = 32;

/// Bytes of the catalogue that are read: one sector holds 63 entries, real ones have two.
const CATALOGUE: usize = SECTOR as usize;

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// 0: a BIOS.
    Bios,
    /// 0xef: UEFI.
    Uefi,
    /// Another one, by its number.
    Other(u8),
}

impl Platform {
    fn of(number: u8) -> Self {
        match number {
            0 => Self::Bios,
            0xef => Self::Uefi,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bios => f.write_str("BIOS"),
            Self::Uefi => f.write_str("UEFI"),
            Self::Other(number) => write!(f, "platform {number:#04x}"),
        }
    }
}

/// An entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootEntry {
    /// What it is for.
    pub platform: Platform,
    /// Whether it may be booted.
    pub bootable: bool,
    /// The kind of medium that is emulated; 0: none.
    pub emulation: u8,
    /// Where its image begins, in bytes.
    pub offset: u64,
    /// How much of it is loaded, in bytes; for UEFI 0 means all to the end.
    pub loaded: u64,
}

/// The entries, and what is wrong with the catalogue.
pub(super) fn read_catalogue(image: &Shared, sector: u32) -> Result<(Vec<BootEntry>, Vec<String>), IsoError> {
    let offset = u64::from(sector) * SECTOR;
    let bytes = read(image, offset, CATALOGUE)?;
    let mut damage = Vec::new();
    let validation = bytes.get(..ENTRY).unwrap_or_default();
    let words = (0..ENTRY / 2).filter_map(|index| u16_le(validation, 2 * index));
    if u8_at(validation, 0) != Some(1) || validation.get(30..) != Some(&[0x55, 0xaa]) {
        let problem = "the boot catalogue has no validation entry".to_owned();
        return Err(IsoError::Damaged { problem, offset });
    }
    if words.fold(0u16, u16::wrapping_add) != 0 {
        damage.push(format!("the boot catalogue's validation entry does not sum up to 0 (offset {offset})"));
    }
    let mut platform = u8_at(validation, 1).unwrap_or(0);
    let mut entries = Vec::new();
    let mut left = 1;
    for entry in bytes.chunks(ENTRY).skip(1) {
        match u8_at(entry, 0) {
            Some(0x88 | 0) if left > 0 => {
                left -= 1;
                entries.extend(boot_entry(entry, platform));
            }
            Some(0x90 | 0x91) => {
                platform = u8_at(entry, 1).unwrap_or(0);
                left = u16_le(entry, 2).unwrap_or(0);
            }
            // 44: more of the selection criteria of the entry before.
            Some(0x44) => {}
            _ => break,
        }
    }
    Ok((entries, damage))
}

fn boot_entry(entry: &[u8], platform: u8) -> Option<BootEntry> {
    Some(BootEntry {
        platform: Platform::of(platform),
        bootable: u8_at(entry, 0)? == 0x88,
        emulation: u8_at(entry, 1)? & 0x0f,
        offset: u64::from(u32_le(entry, 8)?) * SECTOR,
        loaded: u64::from(u16_le(entry, 6)?) * 512,
    })
}
