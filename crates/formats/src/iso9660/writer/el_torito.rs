//! What firmware boots: the catalogue (El Torito 1.0) and the information that a BIOS boot image wants.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{SECTOR, WriteError};
use crate::fields::put;
use crate::{ReadAt as _, Shared};

/// The most bytes of a BIOS boot image. It runs in real mode, which cannot hold more.
const MAX_BIOS_IMAGE: u64 = 1 << 20;

/// In units of 512 bytes: what a BIOS loads, the rest the image loads by itself.
const BIOS_LOAD: u16 = 4;

/// Sector of the primary volume descriptor, which the boot information names.
const PRIMARY: u32 = 16;

/// What is written into a BIOS boot image, so that it finds the rest of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootInfo {
    /// Nothing.
    None,
    /// The boot information table of isolinux at byte 8.
    Table,
    /// The same, and the address that GRUB's core image wants at byte 2548, for sticks.
    Grub2,
}

/// A boot image for a BIOS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiosBoot {
    /// The path of its file in the image.
    pub path: String,
    /// What is written into it.
    pub info: BootInfo,
}

/// What firmware boots from CD.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boot {
    /// For a BIOS.
    pub bios: Option<BiosBoot>,
    /// For UEFI: the path of the image of an EFI system partition.
    pub uefi: Option<String>,
}

impl Boot {
    pub(super) fn is_empty(&self) -> bool {
        self.bios.is_none() && self.uefi.is_none()
    }

    /// The catalogue, one sector. The files are those of the image.
    pub(super) fn catalogue(&self, files: &BTreeMap<String, Range<u64>>) -> Result<Vec<u8>, WriteError> {
        let find = |path: &String| {
            let missing = || WriteError::Missing { path: "the boot catalogue".to_owned(), of: path.clone() };
            files.get(path).cloned().ok_or_else(missing)
        };
        let mut bytes = vec![0; SECTOR as usize];
        let bios = self.bios.as_ref().map(|bios| find(&bios.path)).transpose()?;
        let uefi = self.uefi.as_ref().map(find).transpose()?;
        put(&mut bytes, 0, &validation(if bios.is_some() { 0 } else { 0xef }));
        let mut at = 32;
        if let Some(range) = &bios {
            put(&mut bytes, at, &entry(range, BIOS_LOAD));
            at += 32;
        }
        if let Some(range) = &uefi {
            if bios.is_some() {
                // The last section, of one entry, for UEFI.
                put(&mut bytes, at, &[0x91, 0xef, 1, 0]);
                at += 32;
            }
            // 0 means: to the end of the medium (UEFI 2.10, 13.3.2.1). 16 bits end at 32 MiB.
            let sectors = u16::try_from((range.end - range.start).div_ceil(512)).unwrap_or(0);
            put(&mut bytes, at, &entry(range, sectors));
        }
        Ok(bytes)
    }
}

fn validation(platform: u8) -> [u8; 32] {
    let mut entry = [0; 32];
    put(&mut entry, 0, &[1, platform]);
    put(&mut entry, 4, b"BOOTWRIGHT");
    put(&mut entry, 30, &[0x55, 0xaa]);
    let words =
        entry.chunks(2).map(|pair| pair.iter().rev().fold(0u16, |word, byte| word << 8 | u16::from(*byte)));
    let sum = words.fold(0u16, u16::wrapping_add);
    put(&mut entry, 28, &0u16.wrapping_sub(sum).to_le_bytes());
    entry
}

/// Bootable, without emulation.
fn entry(range: &Range<u64>, sectors: u16) -> [u8; 32] {
    let mut entry = [0; 32];
    put(&mut entry, 0, &[0x88]);
    put(&mut entry, 6, &sectors.to_le_bytes());
    put(&mut entry, 8, &((range.start / SECTOR) as u32).to_le_bytes());
    entry
}

impl BiosBoot {
    /// The boot image with its information, when it begins at byte `start` of the image.
    pub(super) fn patched(&self, content: &Shared, start: u64) -> Result<Vec<u8>, WriteError> {
        let refuse = |problem: String| WriteError::BootImage { path: self.path.clone(), problem };
        let size = content.size();
        let least = match self.info {
            BootInfo::None => 1,
            BootInfo::Table => 64,
            BootInfo::Grub2 => 2048 + 512,
        };
        if !(least..=MAX_BIOS_IMAGE).contains(&size) {
            return Err(refuse(format!("it has {size} bytes, not {least} to {MAX_BIOS_IMAGE}")));
        }
        let mut bytes = vec![0; size as usize];
        let read = content.read_exact_at(0, &mut bytes);
        read.map_err(|source| WriteError::Read { path: self.path.clone(), source })?;
        if self.info == BootInfo::Grub2 {
            // The sector behind that of diskboot.img, which lies behind cdboot.img.
            put(&mut bytes, 2548, &(start / 512 + 5).to_le_bytes());
        }
        if self.info != BootInfo::None {
            let words = bytes.get(64..).unwrap_or_default().chunks(4);
            let word =
                |bytes: &[u8]| bytes.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
            let sum = words.map(word).fold(0u32, u32::wrapping_add);
            let table = [PRIMARY, (start / SECTOR) as u32, size as u32, sum].map(u32::to_le_bytes).concat();
            put(&mut bytes, 8, &table);
            put(&mut bytes, 24, &[0; 40]);
        }
        Ok(bytes)
    }
}
