//! The writer: first the layout of everything, then its bytes.

mod descriptors;
mod directory;
mod el_torito;
mod hybrid;
mod names;
mod rock_ridge;
mod tree;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use descriptors::Root;
use directory::{Namespace, Order, Places};
use tree::Tree;

pub use el_torito::{BiosBoot, Boot, BootInfo};
pub use hybrid::{Hybrid, HybridPartition};

use super::{SECTOR, SYSTEM_AREA};
use crate::gpt::TableError;
use crate::mbr::RecordError;
use crate::{Mosaic, ReadAt as _, Shared};

/// Files and partitions begin on a multiple of this: a page, so that a file system can share their blocks.
const ALIGNMENT: u64 = 4096;

/// Zeros at the end, in bytes, as every writer of ISO images has them: drives read ahead, past the end of
/// what was burned track at once. The backup GPT lies in their end.
const PADDING: u64 = 150 * SECTOR;

/// What is behind a name.
#[derive(Clone)]
pub enum Content {
    /// Bytes of its own.
    File(Shared),
    /// A range of another file of the plan, stored there alone. It begins on a sector.
    Part {
        /// The path of a [`Content::File`].
        of: String,
        /// Its bytes.
        range: Range<u64>,
    },
    /// A symbolic link; who does not read Rock Ridge does not see it.
    Symlink(String),
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Self::File(content) => content.size(),
            Self::Part { range, .. } => range.end.saturating_sub(range.start),
            Self::Symlink(_) => 0,
        }
    }
}

/// A file or link of an image to be. Directories come to be by themselves.
#[derive(Clone)]
pub struct NewEntry {
    /// Its path from the root, parts separated by `/`.
    pub path: String,
    /// What is behind it.
    pub content: Content,
}

/// An image to be.
#[derive(Clone)]
pub struct Plan {
    /// The volume's name: at most 32 capital letters, digits and `_`. Lower case and other signs are
    /// refused rather than changed, since people search for it.
    pub volume_id: String,
    /// The date of everything, in seconds since 1970.
    pub epoch: u64,
    /// Files and links.
    pub entries: Vec<NewEntry>,
    /// What firmware boots, when anything.
    pub boot: Boot,
    /// Partition tables, so that it is a stick too.
    pub hybrid: Option<Hybrid>,
}

/// An image that has been laid out.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its bytes.
    pub image: Mosaic,
    /// Where each file begins in it, parts of others too.
    pub placed: BTreeMap<String, Range<u64>>,
}

/// Why an image is not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A name of the volume that cannot be one.
    #[error("ISO 9660: {0:?} cannot be a volume's name: at most 32 capital letters, digits and _")]
    VolumeId(String),
    /// A path with an empty part, one that is too long or deeper than eight.
    #[error("ISO 9660: {0:?} cannot be a path: {1}")]
    Path(String, &'static str),
    /// Two entries of the same path.
    #[error("ISO 9660: {0:?} is there twice, or as a file and as a directory")]
    Twice(String),
    /// A part, a boot image or a partition of a file that is not there.
    #[error("ISO 9660: {path:?} refers to {of:?}, which is no file of the image")]
    Missing {
        /// Who refers to it.
        path: String,
        /// What is missing.
        of: String,
    },
    /// A part that is not where a part can be.
    #[error(
        "ISO 9660: {path:?} is bytes {start} to {end} of {of:?}: it has to begin on a multiple of 2048 and lie within it"
    )]
    Part {
        /// The part.
        path: String,
        /// The file that it is a part of.
        of: String,
        /// First byte.
        start: u64,
        /// One past its last byte.
        end: u64,
    },
    /// More than 32 bits of sectors.
    #[error("ISO 9660: the image would have {0} bytes, more than 8 TiB")]
    Size(u64),
    /// A boot image that is none.
    #[error("ISO 9660: the boot image {path:?}: {problem}")]
    BootImage {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The boot image could not be read.
    #[error("ISO 9660: reading the boot image {path:?} failed")]
    Read {
        /// The file.
        path: String,
        /// Its own error.
        source: io::Error,
    },
    /// The partition table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The boot record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Plan {
    /// Lays the image out. Of the files only the BIOS boot image is read, which gets its boot information.
    ///
    /// # Errors
    /// [`WriteError`] when something does not fit.
    pub fn lay_out(self) -> Result<Image, WriteError> {
        let volume_id = names::volume_id(&self.volume_id)?;
        let tree = Tree::new(&self.entries)?;
        let (iso, joliet) = (Namespace::iso9660(&tree), Namespace::joliet(&tree));
        let mut layout = Layout { next: SYSTEM_AREA / SECTOR, image: Mosaic::default() };
        let descriptors = layout.take(if self.boot.is_empty() { 3 } else { 4 } * SECTOR);
        let catalogue = layout.take(if self.boot.is_empty() { 0 } else { SECTOR });

        // Directories are made twice: for their sizes first, then with everything's place in them.
        let lengths = self.entries.iter().map(|entry| 0..entry.content.size()).collect();
        let unknown = vec![(0, 0); tree.directories.len()];
        let mut places = Places { epoch: self.epoch, directories: unknown, files: lengths, continuation: 0 };
        let blank = places.clone();
        let [iso_room, joliet_room] = [&iso, &joliet].map(|names| layout.reserve(names, &tree, &blank));
        let files = layout.files(&self.entries)?;
        let mut data = layout.next * SECTOR;
        if let Some(hybrid) = &self.hybrid {
            data = data.max(hybrid.end(&files));
        }
        let size = data + PADDING;
        let sectors = u32::try_from(size / SECTOR).map_err(|_| WriteError::Size(size))?;
        layout.image = Mosaic::new(size);
        places.files =
            self.entries.iter().map(|entry| files.get(&entry.path).cloned().unwrap_or(0..0)).collect();

        let mut roots = Vec::new();
        for (names, room) in [(&iso, iso_room), (&joliet, joliet_room)] {
            places.directories = room.directories;
            places.continuation = room.continuation;
            let (bytes, rest) = names.directories(&tree, &places);
            for (bytes, (lba, _)) in bytes.into_iter().zip(&places.directories) {
                layout.put(*lba, bytes);
            }
            layout.put(room.continuation, rest);
            layout.put(room.little, names.path_table(&places, Order::Little));
            layout.put(room.big, names.path_table(&places, Order::Big));
            let record = Namespace::root(&places);
            roots.push(Root { record, path_table: room.path_table, little: room.little, big: room.big });
        }
        let descriptions = descriptors::all(
            &volume_id,
            sectors,
            self.epoch,
            &roots,
            (!self.boot.is_empty()).then_some(catalogue),
        );
        layout.put(descriptors, descriptions);
        self.write_files(&mut layout, &files)?;
        if !self.boot.is_empty() {
            layout.put(catalogue, self.boot.catalogue(&files)?);
        }
        if let Some(hybrid) = &self.hybrid {
            hybrid.write(&mut layout.image, &files)?;
        }
        Ok(Image { image: layout.image, placed: files })
    }

    fn write_files(
        &self,
        layout: &mut Layout,
        files: &BTreeMap<String, Range<u64>>,
    ) -> Result<(), WriteError> {
        for entry in &self.entries {
            let (Content::File(content), Some(range)) = (&entry.content, files.get(&entry.path)) else {
                continue;
            };
            let content = match &self.boot.bios {
                Some(bios) if bios.path == entry.path => {
                    Arc::new(bios.patched(content, range.start)?) as Shared
                }
                _ => Arc::clone(content),
            };
            layout.image.put(range.start, content);
        }
        Ok(())
    }
}

/// The sectors of one tree's path tables and directories.
struct Room {
    path_table: u32,
    little: u32,
    big: u32,
    directories: Vec<(u32, u32)>,
    continuation: u32,
}

struct Layout {
    next: u64,
    image: Mosaic,
}

impl Layout {
    /// Takes the sectors for `size` bytes.
    fn take(&mut self, size: u64) -> u32 {
        let first = self.next;
        self.next += size.div_ceil(SECTOR);
        // What lies past 32 bits is refused when the whole size is known.
        u32::try_from(first).unwrap_or(u32::MAX)
    }

    /// Takes the sectors for a tree.
    fn reserve(&mut self, names: &Namespace, tree: &Tree, blank: &Places) -> Room {
        let path_table = names.path_table(blank, Order::Little).len() as u32;
        let (directories, continued) = names.directories(tree, blank);
        Room {
            path_table,
            little: self.take(path_table.into()),
            big: self.take(path_table.into()),
            directories: directories
                .iter()
                .map(|bytes| (self.take(bytes.len() as u64), bytes.len() as u32))
                .collect(),
            continuation: self.take(continued.len() as u64),
        }
    }

    fn put(&mut self, sector: u32, bytes: Vec<u8>) {
        self.image.bytes(u64::from(sector) * SECTOR, bytes);
    }

    /// Gives every file its place, then the parts of files.
    fn files(&mut self, entries: &[NewEntry]) -> Result<BTreeMap<String, Range<u64>>, WriteError> {
        let mut files = BTreeMap::new();
        for entry in entries {
            if let Content::File(content) = &entry.content {
                self.next = (self.next * SECTOR).next_multiple_of(ALIGNMENT) / SECTOR;
                let start = self.next * SECTOR;
                self.take(content.size());
                files.insert(entry.path.clone(), start..start + content.size());
            }
        }
        for entry in entries {
            if let Content::Part { of, range } = &entry.content {
                let whole: Range<u64> = files
                    .get(of)
                    .cloned()
                    .ok_or_else(|| WriteError::Missing { path: entry.path.clone(), of: of.clone() })?;
                let length = whole.end - whole.start;
                if !range.start.is_multiple_of(SECTOR) || range.start > range.end || range.end > length {
                    let (path, of) = (entry.path.clone(), of.clone());
                    return Err(WriteError::Part { path, of, start: range.start, end: range.end });
                }
                files.insert(entry.path.clone(), whole.start + range.start..whole.start + range.end);
            }
        }
        Ok(files)
    }
}

/// A number in both orders (ECMA-119, 7.3.3).
fn both32(value: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    let (little, big) = bytes.split_at_mut(4);
    little.copy_from_slice(&value.to_le_bytes());
    big.copy_from_slice(&value.to_be_bytes());
    bytes
}

/// A number in both orders (ECMA-119, 7.2.3).
fn both16(value: u16) -> [u8; 4] {
    let [a, b] = value.to_le_bytes();
    [a, b, b, a]
}
