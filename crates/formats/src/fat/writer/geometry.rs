//! How a volume is divided: which FAT, how large its tables and clusters are.

use super::tree::Directory;
use super::{Plan, WriteError};
use crate::fat::directory::ENTRY;
use crate::fat::names::Short;
use crate::fat::{ALIGNMENT, Width};
use crate::fields::put;

/// Copies of the table: what every reader expects.
const TABLES: u64 = 2;

/// Bytes of the root directory of FAT12 and FAT16: 512 entries, as everybody has them.
const ROOT: u64 = 512 * ENTRY as u64;

/// Sectors of a track that the boot sector tells; the volume is a whole number of them.
const TRACK: u64 = 32;

/// Readers disagree about volumes that lie so close to the limit between two kinds of FAT.
const MARGIN: u64 = 16;

#[derive(Debug)]
pub(super) struct Geometry {
    pub width: Width,
    /// Bytes of a cluster.
    pub cluster: u64,
    /// Clusters of data.
    pub clusters: u64,
    /// Bytes of a sector.
    pub sector: u64,
    /// Sectors before the tables.
    reserved: u64,
    /// Sectors of one table.
    table: u64,
}

impl Geometry {
    /// For the files of `root` in a volume of `size` bytes, or one that is just large enough, in sectors of `sector`.
    pub fn new(root: &Directory, size: Option<u64>, sector: u64) -> Result<Self, WriteError> {
        let cluster = cluster_for(size.unwrap_or(0));
        let needed = root.clusters_within(cluster);
        let own = root.bytes_with(ENTRY);
        let geometry = match size {
            Some(size) => Self::of_size(size, (cluster, sector))?,
            None => Self::of_clusters((needed + own.div_ceil(cluster)).max(1), (cluster, sector)),
        };
        let root_needs = if geometry.width == Width::Fat32 { own.div_ceil(cluster) } else { 0 };
        let full = geometry.width != Width::Fat32 && own > ROOT;
        if full || needed + root_needs > geometry.clusters {
            let needed = geometry.offset_of(needed + root_needs + 2);
            return Err(WriteError::Full { needed, size: geometry.size() });
        }
        match geometry.size() / sector > u64::from(u32::MAX) {
            true => Err(WriteError::Volume(geometry.size())),
            false => Ok(geometry),
        }
    }

    /// At least that many clusters.
    fn of_clusters(clusters: u64, (cluster, sector): (u64, u64)) -> Self {
        let limits = [4085, 65525];
        let near = limits.into_iter().find(|limit| (limit - MARGIN..limit + MARGIN).contains(&clusters));
        let clusters = near.map_or(clusters, |limit| limit + MARGIN);
        let mut geometry = Self::divide(Width::of(clusters), clusters, (cluster, sector));
        // Whole tracks: what is left over becomes clusters, when it is enough for one.
        let sectors = (geometry.size() / sector).next_multiple_of(TRACK);
        geometry.clusters = (sectors * sector - geometry.data_at()) / cluster;
        geometry
    }

    /// As many clusters as fit.
    fn of_size(size: u64, (cluster, sector): (u64, u64)) -> Result<Self, WriteError> {
        for (width, limit) in [(Width::Fat12, 4085), (Width::Fat16, 65525), (Width::Fat32, 0x0fff_fff5)] {
            // Too many by the tables' own room, which only makes the tables a little larger.
            let most = (size / cluster).min(limit - MARGIN);
            let geometry = Self::divide(width, most, (cluster, sector));
            let Some(room) = size.checked_sub(geometry.data_at()) else {
                return Err(WriteError::Full { needed: geometry.data_at() + cluster, size });
            };
            let clusters = room / cluster;
            if clusters == 0 {
                return Err(WriteError::Full { needed: geometry.data_at() + cluster, size });
            }
            if clusters < limit + MARGIN {
                // Just past the limit: a few clusters stay out of the volume.
                return Ok(Self { clusters: clusters.min(limit - MARGIN), ..geometry });
            }
        }
        Err(WriteError::Volume(size))
    }

    fn divide(width: Width, clusters: u64, (cluster, sector): (u64, u64)) -> Self {
        let table = width.table_bytes(clusters + TRACK).div_ceil(sector);
        let least = if width == Width::Fat32 { 32 } else { 1 };
        let mut geometry = Self { width, cluster, clusters, sector, reserved: least, table };
        // What is before the data is filled up, so that every cluster is aligned.
        let over = geometry.data_at() % ALIGNMENT;
        if over != 0 {
            geometry.reserved += (ALIGNMENT - over) / sector;
        }
        geometry
    }

    /// Bytes of the volume.
    pub fn size(&self) -> u64 {
        self.data_at() + self.clusters * self.cluster
    }

    pub fn root_at(&self) -> u64 {
        (self.reserved + TABLES * self.table) * self.sector
    }

    fn data_at(&self) -> u64 {
        self.root_at() + if self.width == Width::Fat32 { 0 } else { ROOT }
    }

    /// Where a cluster lies in the volume.
    pub fn offset_of(&self, cluster: u64) -> u64 {
        self.data_at() + (cluster - 2) * self.cluster
    }

    pub fn tables_at(&self) -> impl Iterator<Item = u64> + use<> {
        let (reserved, table, sector) = (self.reserved, self.table, self.sector);
        (0..TABLES).map(move |number| (reserved + number * table) * sector)
    }

    pub fn boot_sector(&self, plan: &Plan, label: &Short) -> Vec<u8> {
        let is32 = self.width == Width::Fat32;
        let mut boot = vec![0; self.sector as usize];
        let mut at = |offset: usize, value: &[u8]| put(&mut boot, offset, value);
        let sectors = self.size() / self.sector;
        // A BIOS that runs it is sent on to the next device: int 18h, hlt, jmp.
        let code = if is32 { 0x5a } else { 0x3e };
        at(0, &[0xeb, code - 2, 0x90]);
        at(usize::from(code), &[0xcd, 0x18, 0xf4, 0xeb, 0xfd]);
        at(3, b"MSWIN4.1");
        at(11, &(self.sector as u16).to_le_bytes());
        at(13, &[(self.cluster / self.sector) as u8]);
        at(14, &(self.reserved as u16).to_le_bytes());
        at(16, &[TABLES as u8]);
        at(17, &(if is32 { 0 } else { (ROOT / ENTRY as u64) as u16 }).to_le_bytes());
        match u16::try_from(sectors) {
            Ok(small) if !is32 => at(19, &small.to_le_bytes()),
            _ => at(32, &(sectors as u32).to_le_bytes()),
        }
        at(21, &[0xf8]);
        at(24, &(TRACK as u16).to_le_bytes());
        at(26, &64u16.to_le_bytes());
        at(28, &u32::try_from(plan.start / self.sector).unwrap_or(0).to_le_bytes());
        let extended = if is32 {
            at(36, &(self.table as u32).to_le_bytes());
            // The root directory is the first of the chains; FSInfo and the copy of this sector.
            at(44, &2u32.to_le_bytes());
            at(48, &[1, 0, 6, 0]);
            64
        } else {
            at(22, &(self.table as u16).to_le_bytes());
            36
        };
        at(extended, &[0x80, 0, 0x29]);
        at(extended + 3, &plan.serial.to_le_bytes());
        at(extended + 7, label);
        at(extended + 18, format!("{:8}", self.width.to_string()).as_bytes());
        at(510, &[0x55, 0xaa]);
        boot
    }
}

/// A multiple of [`ALIGNMENT`] that keeps the tables of large volumes small.
fn cluster_for(size: u64) -> u64 {
    match size >> 30 {
        0..8 => 4096,
        8..16 => 8192,
        16..32 => 16384,
        _ => 32768,
    }
}
