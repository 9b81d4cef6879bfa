//! The boot sector and its parameters (BPB).

use super::{Fat, FatError, Root};
use crate::Shared;
use crate::fat::Width;
use crate::fields::{bytes_at, u8_at, u16_le, u32_le};

impl Fat {
    /// Takes the parameters that can be those of a FAT volume.
    pub(super) fn parse(volume: Shared, boot: &[u8; 512]) -> Result<Self, FatError> {
        let absent =
            |field, offset: usize, value: u64| FatError::Absent { field, offset: offset as u64, value };
        let u16_of = |offset| u64::from(u16_le(boot, offset).unwrap_or(0));
        let u32_of = |offset| u64::from(u32_le(boot, offset).unwrap_or(0));
        let u8_of = |offset| u64::from(u8_at(boot, offset).unwrap_or(0));
        let or16 = |at, otherwise| if u16_of(at) != 0 { u16_of(at) } else { u32_of(otherwise) };
        if !matches!(u8_of(0), 0xeb | 0xe9) {
            return Err(absent("the jump instruction (BS_jmpBoot)", 0, u8_of(0)));
        }
        let sector = u16_of(11);
        if !matches!(sector, 512 | 1024 | 2048 | 4096) {
            return Err(absent("BPB_BytsPerSec", 11, sector));
        }
        let (per_cluster, reserved, fats) = (u8_of(13), u16_of(14), u8_of(16));
        if !per_cluster.is_power_of_two() {
            return Err(absent("BPB_SecPerClus", 13, per_cluster));
        }
        if reserved == 0 {
            return Err(absent("BPB_RsvdSecCnt", 14, reserved));
        }
        if !(1..=4).contains(&fats) {
            return Err(absent("BPB_NumFATs", 16, fats));
        }
        if u8_of(21) < 0xf0 {
            return Err(absent("BPB_Media", 21, u8_of(21)));
        }
        let (sectors, table) = (or16(19, 32), or16(22, 36));
        let root_sectors = (u16_of(17) * 32).div_ceil(sector);
        let before = reserved + fats * table + root_sectors;
        let Some(data) = sectors.checked_sub(before).filter(|data| *data >= per_cluster && table > 0) else {
            return Err(absent("BPB_TotSec32", 32, sectors));
        };
        let clusters = data / per_cluster;
        let width = Width::of(clusters);
        if table * sector < width.table_bytes(clusters) {
            return Err(absent("BPB_FATSz (too small for the clusters)", 22, table));
        }
        let extended = if width == Width::Fat32 { 64 } else { 36 };
        let label: String = bytes_at::<11>(boot, extended + 7)
            .unwrap_or_default()
            .iter()
            .map(|byte| char::from(*byte))
            .collect();
        let root_at = (reserved + fats * table) * sector;
        Ok(Self {
            volume,
            width,
            label: if label.starts_with("NO NAME") { String::new() } else { label.trim_end().to_owned() },
            serial: u32_of(extended + 3) as u32,
            cluster_size: per_cluster * sector,
            clusters,
            size: sectors * sector,
            table: reserved * sector..(reserved + table) * sector,
            root: match width {
                Width::Fat32 => Root::Cluster(u32_of(44) as u32),
                _ => Root::Fixed(root_at..root_at + root_sectors * sector),
            },
            data: before * sector,
        })
    }
}
