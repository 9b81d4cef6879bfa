//! The reader: parameters, directories, and files as they lie in the volume.

mod boot_sector;
mod chain;
mod error;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::directory::{self, Entry};
use super::{MAX_DEPTH, Width};
use crate::{Mosaic, ReadAt, Shared, Window};

pub use error::FatError;

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
}

impl std::fmt::Debug for Fat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} volume {:?} of {} bytes", self.width, self.label, self.size)
    }
}
