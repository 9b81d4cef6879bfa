//! The writer: a plan of files becomes a volume, each file in one piece.

mod geometry;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use geometry::Geometry;
use tree::{Directory, Node};

use super::attributes::{ARCHIVE, DIRECTORY, LABEL};
use super::date::Stamp;
use super::names::{self, Short};
use super::{Width, directory};
use crate::fields::put;
use crate::{Mosaic, Shared};

/// A file of a volume to be.
#[derive(Clone)]
pub struct NewFile {
    /// Its path from the root, parts separated by `/`. Directories come to be by themselves.
    pub path: String,
    /// What is in it.
    pub content: Shared,
}

/// A volume to be.
#[derive(Clone)]
pub struct Plan {
    /// At most eleven letters, digits and a few signs.
    pub label: String,
    /// The serial number; out of a seed, so that it stays the same.
    pub serial: u32,
    /// The date of all files, in seconds since 1970.
    pub epoch: u64,
    /// Bytes of the volume; without it the volume is as large as its files.
    pub size: Option<u64>,
    /// At which byte of its disk the volume begins, 0 when it is no partition.
    pub start: u64,
    /// Bytes of a sector, which are those of the disk: 512, 1024, 2048 or 4096.
    pub sector: u64,
    /// The files.
    pub files: Vec<NewFile>,
}

/// A volume that has been laid out.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Its bytes.
    pub image: Mosaic,
    /// Which FAT it is.
    pub width: Width,
    /// Where each file begins in it, by the path that was given.
    pub placed: BTreeMap<String, u64>,
}

/// Why a volume is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A path with a part that FAT cannot hold.
    #[error(
        "FAT: {0:?} cannot be a file's path: a part is empty, too long or holds one of \" * : < > ? \\ |"
    )]
    Path(String),
    /// Two files of the same name; case does not count.
    #[error("FAT: {0:?} is there twice, or as a file and as a directory (upper and lower case are the same)")]
    Twice(String),
    /// A label that cannot be one.
    #[error("FAT: {0:?} cannot be a label: at most eleven letters, digits and a few signs")]
    Label(String),
    /// A file that FAT cannot tell the size of.
    #[error("FAT: {path:?} has {size} bytes, a file has at most {}", u32::MAX)]
    TooLarge {
        /// The file.
        path: String,
        /// Its bytes.
        size: u64,
    },
    /// More files than there is room.
    #[error("FAT: the files need {needed} bytes with what is around them, the volume has {size}")]
    Full {
        /// Bytes that they need.
        needed: u64,
        /// Bytes that there are.
        size: u64,
    },
    /// A volume that 32 bits of sectors cannot tell.
    #[error("FAT: {0} bytes are more than a volume can have")]
    Volume(u64),
}

impl Plan {
    /// Lays the volume out. Nothing of the files is read.
    ///
    /// # Errors
    /// [`WriteError`] when a name or a file does not fit.
    pub fn lay_out(self) -> Result<Volume, WriteError> {
        let label = names::label(&self.label).ok_or_else(|| WriteError::Label(self.label.clone()))?;
        let mut root = Directory::default();
        for file in &self.files {
            root.insert(file)?;
        }
        root.shorten();
        let geometry = Geometry::new(&root, self.size, self.sector)?;
        let mut layout = Layout {
            image: Mosaic::new(self.size.unwrap_or(geometry.size())),
            placed: BTreeMap::new(),
            chains: Vec::new(),
            next: 2,
            stamp: Stamp::of(self.epoch),
            geometry,
        };
        layout.root(&root, &label)?;
        layout.tables();
        layout.boot_sectors(&self, &label);
        Ok(Volume { width: layout.geometry.width, image: layout.image, placed: layout.placed })
    }
}

struct Layout {
    image: Mosaic,
    placed: BTreeMap<String, u64>,
    /// First cluster and number of clusters of everything, in order and without gaps.
    chains: Vec<(u64, u64)>,
    next: u64,
    stamp: Stamp,
    geometry: Geometry,
}

impl Layout {
    /// Takes clusters for `size` bytes; gives the first one, 0 for none.
    fn take(&mut self, size: u64) -> Result<u64, WriteError> {
        let count = size.div_ceil(self.geometry.cluster);
        if count == 0 {
            return Ok(0);
        }
        let first = self.next;
        self.next += count;
        if self.next - 2 > self.geometry.clusters {
            let needed = self.geometry.offset_of(self.next);
            return Err(WriteError::Full { needed, size: self.geometry.size() });
        }
        self.chains.push((first, count));
        Ok(first)
    }

    fn root(&mut self, root: &Directory, label: &Short) -> Result<(), WriteError> {
        let head = directory::write(None, label, LABEL, self.stamp, (0, 0));
        let at = match self.geometry.width {
            Width::Fat32 => {
                let cluster = self.take(root.bytes_with(head.len()))?;
                self.geometry.offset_of(cluster)
            }
            _ => self.geometry.root_at(),
        };
        // `..` of a directory in the root says 0 even on FAT32.
        self.directory(root, "", (head, at), 0)
    }

    /// Writes a directory that begins with `head` at `at`, and everything in it; `own` is its cluster as the
    /// `..` of those in it tell it.
    fn directory(
        &mut self,
        directory: &Directory,
        path: &str,
        (head, at): (Vec<u8>, u64),
        own: u64,
    ) -> Result<(), WriteError> {
        let mut bytes = head;
        for (short, exact, name, node) in directory.children() {
            let long = (!exact).then_some(name);
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let (attributes, cluster, size) = match node {
                Node::Directory(inner) => (DIRECTORY, self.subdirectory(inner, &path, own)?, 0),
                Node::File(content) => (ARCHIVE, self.file(&path, content)?, content.size()),
            };
            let size = u32::try_from(size).map_err(|_| WriteError::TooLarge { path: path.clone(), size })?;
            bytes.extend(directory::write(long, short, attributes, self.stamp, (cluster as u32, size)));
        }
        self.image.bytes(at, bytes);
        Ok(())
    }

    fn subdirectory(&mut self, inner: &Directory, path: &str, parent: u64) -> Result<u64, WriteError> {
        let cluster = self.take(inner.bytes_with(2 * directory::ENTRY))?;
        let dot = |name: &[u8; 11], cluster: u64| {
            directory::write(None, name, DIRECTORY, self.stamp, (cluster as u32, 0))
        };
        let head = [dot(b".          ", cluster), dot(b"..         ", parent)].concat();
        let at = self.geometry.offset_of(cluster);
        self.directory(inner, path, (head, at), cluster)?;
        Ok(cluster)
    }

    fn file(&mut self, path: &str, content: &Shared) -> Result<u64, WriteError> {
        let cluster = self.take(content.size())?;
        if cluster != 0 {
            let at = self.geometry.offset_of(cluster);
            self.image.put(at, Arc::clone(content));
            self.placed.insert(path.to_owned(), at);
        }
        Ok(cluster)
    }

    /// Both copies of the table, as far as it is in use.
    fn tables(&mut self) {
        let width = self.geometry.width;
        // The first entry is the media byte f8 with ones above it, which is the smallest end of a chain too.
        let mut entries: Vec<u32> = vec![width.end(), width.end() | 7];
        for (first, count) in &self.chains {
            let last = first + count - 1;
            entries.extend(
                (*first..=last)
                    .map(|cluster| if cluster == last { width.end() | 7 } else { cluster as u32 + 1 }),
            );
        }
        let bytes = pack(width, &entries);
        for table in self.geometry.tables_at() {
            self.image.bytes(table, bytes.clone());
        }
    }

    fn boot_sectors(&mut self, plan: &Plan, label: &Short) {
        let boot = self.geometry.boot_sector(plan, label);
        if self.geometry.width == Width::Fat32 {
            let info = self.fs_info();
            for (sector, bytes) in [(1, info.clone()), (6, boot.clone()), (7, info)] {
                self.image.bytes(sector * self.geometry.sector, bytes);
            }
        }
        self.image.bytes(0, boot);
    }

    fn fs_info(&self) -> Vec<u8> {
        let mut info = vec![0; self.geometry.sector as usize];
        put(&mut info, 0, b"RRaA");
        put(&mut info, 484, b"rrAa");
        let free = self.geometry.clusters - (self.next - 2);
        put(&mut info, 488, &(free as u32).to_le_bytes());
        put(&mut info, 492, &(self.next as u32).to_le_bytes());
        put(&mut info, 508, &[0, 0, 0x55, 0xaa]);
        info
    }
}

fn pack(width: Width, entries: &[u32]) -> Vec<u8> {
    match width {
        Width::Fat12 => entries
            .chunks(2)
            .flat_map(|pair| {
                let both = pair.first().copied().unwrap_or(0) | pair.get(1).copied().unwrap_or(0) << 12;
                both.to_le_bytes().into_iter().take(3)
            })
            .collect(),
        Width::Fat16 => entries.iter().flat_map(|entry| (*entry as u16).to_le_bytes()).collect(),
        Width::Fat32 => entries.iter().flat_map(|entry| entry.to_le_bytes()).collect(),
    }
}
