//! The reader: parameters, directories, and files as they lie in the volume.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::directory::{self, Entry};
use super::{MAX_DEPTH, MAX_DIRECTORY, Width};
use crate::fields::{bytes_at, u8_at, u16_le, u32_le};
use crate::{Mosaic, ReadAt, Shared, Window};

/// Bytes of the table that are read at once.
const PAGE: u64 = 4096;

/// Why a volume or a file in it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    /// The volume failed.
    #[error("FAT: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: io::Error,
    },
    /// Another kind of first sector.
    #[error("no FAT volume: {field} at offset {offset} is {value}")]
    Absent {
        /// The field of the specification.
        field: &'static str,
        /// Where it is.
        offset: u64,
        /// What it says.
        value: u64,
    },
    /// A chain of clusters that does not lead to its end.
    #[error("FAT: the clusters of {name:?} {problem} (entry of the table at offset {offset})")]
    Chain {
        /// The file or directory.
        name: String,
        /// What is wrong.
        problem: String,
        /// Where in the volume, in bytes.
        offset: u64,
    },
    /// A directory of more than [`MAX_DIRECTORY`] bytes.
    #[error("FAT: the directory {0:?} has more than 65536 entries")]
    Directory(String),
    /// Directories deeper than any path can name.
    #[error("FAT: directories inside {0:?} are deeper than {MAX_DEPTH}, or lead back to their parents")]
    Depth(String),
}

/// A FAT volume.
pub struct Fat {
    volume: Shared,
    /// Which FAT it is.
    pub width: Width,
    /// The label of its root directory, else the boot sector's; empty when it has none.
    pub label: String,
    /// Its serial number.
    pub serial: u32,
    /// Bytes of a cluster.
    pub cluster_size: u64,
    /// Clusters that hold data.
    pub clusters: u64,
    /// Bytes of the whole volume as its boot sector says.
    pub size: u64,
    table: Range<u64>,
    root: Root,
    data: u64,
}

/// Where the root directory lies.
enum Root {
    Fixed(Range<u64>),
    Cluster(u32),
}

impl Fat {
    /// Reads the boot sector of `volume`.
    ///
    /// # Errors
    /// [`FatError::Absent`], naming the first field that no FAT volume can have.
    pub fn open(volume: Shared) -> Result<Self, FatError> {
        let mut boot = [0; 512];
        volume.read_exact_at(0, &mut boot).map_err(|source| FatError::Read { offset: 0, source })?;
        let mut fat = Self::parse(volume, &boot)?;
        // Mkfs writes "NO NAME" where there is none.
        if let Ok((Some(label), _)) = fat.read_directory("/", fat.root_entry().first_cluster) {
            fat.label = label;
        }
        Ok(fat)
    }

    fn parse(volume: Shared, boot: &[u8; 512]) -> Result<Self, FatError> {
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

    /// The root directory.
    pub fn root_entry(&self) -> Entry {
        let first_cluster = match self.root {
            Root::Fixed(_) => 0,
            Root::Cluster(cluster) => cluster,
        };
        Entry { name: "/".to_owned(), is_directory: true, size: 0, first_cluster }
    }

    /// What is in a directory, in its order.
    pub fn entries(&self, directory: &Entry) -> Result<Vec<Entry>, FatError> {
        Ok(self.read_directory(&directory.name, directory.first_cluster)?.1)
    }

    /// The file or directory at `path`, whose parts `/` or `\` separate. Case does not count, as in UEFI.
    pub fn find(&self, path: &str) -> Result<Option<Entry>, FatError> {
        let mut entry = self.root_entry();
        for part in path.split(['/', '\\']).filter(|part| !part.is_empty()) {
            if !entry.is_directory {
                return Ok(None);
            }
            let same = |found: &Entry| found.name.to_lowercase() == part.to_lowercase();
            match self.entries(&entry)?.into_iter().find(same) {
                Some(found) => entry = found,
                None => return Ok(None),
            }
        }
        Ok(Some(entry))
    }

    /// Hands every file and directory with its path (`EFI/BOOT`) to `visit`, parents first.
    ///
    /// # Errors
    /// The first chain that is damaged, or [`FatError::Depth`].
    pub fn walk(&self, visit: &mut dyn FnMut(&str, &Entry)) -> Result<(), FatError> {
        let mut seen = BTreeSet::new();
        let mut open = vec![(String::new(), self.root_entry(), 0)];
        while let Some((path, directory, depth)) = open.pop() {
            if depth > MAX_DEPTH || !seen.insert(directory.first_cluster) {
                return Err(FatError::Depth(path));
            }
            let mut inner = Vec::new();
            for entry in self.entries(&directory)? {
                let path =
                    if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
                visit(&path, &entry);
                // A directory without a cluster would be the root of FAT16.
                if entry.is_directory && entry.first_cluster != 0 {
                    inner.push((path, entry, depth + 1));
                }
            }
            open.extend(inner.into_iter().rev());
        }
        Ok(())
    }

    /// The content of a file.
    pub fn file(&self, entry: &Entry) -> Result<Mosaic, FatError> {
        let size = u64::from(entry.size);
        let mut mosaic = Mosaic::new(size);
        let mut at = 0;
        for range in self.extents(&entry.name, entry.first_cluster, size)? {
            let length = range.end - range.start;
            mosaic.put(at, Arc::new(Window::new(Arc::clone(&self.volume), range)));
            at += length;
        }
        Ok(mosaic)
    }

    /// Where the first `size` bytes of a chain lie in the volume, in runs.
    ///
    /// # Errors
    /// [`FatError::Chain`] when the chain ends early, comes back to itself or leaves the volume.
    pub fn extents(&self, name: &str, first: u32, size: u64) -> Result<Vec<Range<u64>>, FatError> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        let (mut left, mut cluster) = (size, first);
        let mut table = Table { fat: self, page: None };
        let mut entry_at = 0;
        // Brent's way to find a cycle: a cluster of every power of two is remembered.
        let mut remembered = None;
        for step in 0u64.. {
            if left == 0 {
                return Ok(runs);
            }
            let number = u64::from(cluster);
            let problem = if cluster >= self.width.end() || number == 0 {
                format!("end {left} bytes too early")
            } else if number < 2 || number >= self.clusters + 2 {
                format!("lead to cluster {cluster}, which is not there")
            } else if remembered == Some(cluster) {
                "come back to themselves".to_owned()
            } else {
                String::new()
            };
            if !problem.is_empty() {
                return Err(FatError::Chain { name: name.to_owned(), problem, offset: entry_at });
            }
            if step.is_power_of_two() {
                remembered = Some(cluster);
            }
            let start = self.data + (number - 2) * self.cluster_size;
            let end = start + left.min(self.cluster_size);
            match runs.last_mut() {
                Some(run) if run.end == start => run.end = end,
                _ => runs.push(start..end),
            }
            left -= end - start;
            (entry_at, cluster) = if left > 0 { table.next(cluster)? } else { (entry_at, cluster) };
        }
        Ok(runs)
    }

    fn read_directory(&self, name: &str, cluster: u32) -> Result<(Option<String>, Vec<Entry>), FatError> {
        let runs = match &self.root {
            Root::Fixed(range) if cluster == 0 => vec![range.clone()],
            _ => self.directory_runs(name, cluster)?,
        };
        let mut bytes = Vec::new();
        for run in runs {
            let at = bytes.len();
            bytes.resize(at + (run.end - run.start) as usize, 0);
            let room = bytes.get_mut(at..).unwrap_or_default();
            self.volume
                .read_exact_at(run.start, room)
                .map_err(|source| FatError::Read { offset: run.start, source })?;
        }
        Ok(directory::read(&bytes))
    }

    /// A directory has no size: it ends where its chain ends.
    fn directory_runs(&self, name: &str, first: u32) -> Result<Vec<Range<u64>>, FatError> {
        let mut table = Table { fat: self, page: None };
        let (mut clusters, mut cluster) = (1, first);
        loop {
            if clusters * self.cluster_size > MAX_DIRECTORY.max(self.cluster_size) {
                return Err(FatError::Directory(name.to_owned()));
            }
            // What is no cluster is told by `extents`.
            if u64::from(cluster) < 2 || u64::from(cluster) >= self.clusters + 2 {
                break;
            }
            cluster = table.next(cluster)?.1;
            if cluster >= self.width.end() {
                break;
            }
            clusters += 1;
        }
        self.extents(name, first, clusters * self.cluster_size)
    }
}

/// The table of clusters, with the page of it that was read last.
struct Table<'a> {
    fat: &'a Fat,
    page: Option<(u64, Vec<u8>)>,
}

impl Table<'_> {
    /// Where the entry of `cluster` lies, and the cluster behind it.
    fn next(&mut self, cluster: u32) -> Result<(u64, u32), FatError> {
        let number = u64::from(cluster);
        let at = self.fat.table.start + self.fat.width.entry_at(number);
        let value = match self.fat.width {
            Width::Fat12 => {
                let both = u32::from(self.byte(at)?) | u32::from(self.byte(at + 1)?) << 8;
                if cluster.is_multiple_of(2) { both & 0xfff } else { both >> 4 }
            }
            Width::Fat16 => u32::from(self.byte(at)?) | u32::from(self.byte(at + 1)?) << 8,
            Width::Fat32 => {
                let mut value = 0;
                for index in 0..4 {
                    value |= u32::from(self.byte(at + index)?) << (8 * index);
                }
                value & 0x0fff_ffff
            }
        };
        Ok((at, value))
    }

    fn byte(&mut self, at: u64) -> Result<u8, FatError> {
        let start = at - at % PAGE;
        if self.page.as_ref().is_none_or(|(page, _)| *page != start) {
            let end = (start + PAGE).min(self.fat.table.end.next_multiple_of(512));
            let mut bytes = vec![0; end.saturating_sub(start) as usize];
            let read = self.fat.volume.read_exact_at(start, &mut bytes);
            read.map_err(|source| FatError::Read { offset: start, source })?;
            self.page = Some((start, bytes));
        }
        let bytes = self.page.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        Ok(u8_at(bytes, (at - start) as usize).unwrap_or(0))
    }
}

impl std::fmt::Debug for Fat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} volume {:?} of {} bytes", self.width, self.label, self.size)
    }
}
