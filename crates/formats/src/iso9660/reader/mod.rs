//! The reader: descriptors, directories by the best names there are, files, the boot catalogue.

mod el_torito;
mod rock_ridge;

use std::collections::BTreeSet;
use std::io;
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use rock_ridge::SystemUse;

pub use el_torito::{BootEntry, Platform};

use super::{MAX_DEPTH, MAX_DIRECTORY, SECTOR, SYSTEM_AREA, flags};
use crate::fields::{bytes_at, u8_at, u16_le, u32_le};
use crate::{Mosaic, ReadAt, Shared, Window};

/// The most volume descriptors: real images have about six, UDF's included.
const MAX_DESCRIPTORS: u64 = 64;

/// The most extents of one file: 1024 of 4 GiB are 4 TiB.
const MAX_EXTENTS: usize = 1024;

/// Why an image or a directory of it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// The image failed, or ends early.
    #[error("ISO 9660: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: io::Error,
    },
    /// Another kind of image.
    #[error("no ISO 9660 image: there is no primary volume descriptor (\"CD001\" at offset 32769)")]
    Absent,
    /// A disc of UDF alone.
    #[error("this is a UDF image without ISO 9660, which is recognised and not read")]
    UdfOnly,
    /// A structure that cannot be.
    #[error("ISO 9660: {problem} at offset {offset}")]
    Damaged {
        /// What is wrong.
        problem: String,
        /// Where.
        offset: u64,
    },
    /// Directories that lead back to their parents.
    #[error("ISO 9660: directories inside {0:?} are deeper than {MAX_DEPTH}, or lead back to their parents")]
    Depth(String),
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and where it leads; Rock Ridge only.
    Symlink(String),
}

/// A file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: of Rock Ridge, else Joliet, else of ISO 9660 without its version.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where its bytes are in the image, in order; several for files over 4 GiB.
    pub extents: Vec<Range<u64>>,
    /// `st_mode`; Rock Ridge only.
    pub mode: Option<u32>,
}

impl Entry {
    /// Bytes of its content.
    pub fn size(&self) -> u64 {
        self.extents.iter().map(|range| range.end - range.start).sum()
    }
}

/// An ISO 9660 image.
pub struct Iso {
    image: Shared,
    /// The volume's name.
    pub volume_id: String,
    /// Bytes of the volume as its descriptor says.
    pub size: u64,
    /// Whether there is a second tree with Joliet's names.
    pub joliet: bool,
    /// Whether entries have Rock Ridge fields.
    pub rock_ridge: bool,
    /// Whether there is UDF beside it.
    pub udf: bool,
    /// What firmware boots, in the catalogue's order.
    pub boot: Vec<BootEntry>,
    /// What is wrong, each with its offset.
    pub damage: Vec<String>,
    names: Names,
    root: Entry,
    /// Bytes of an entry's system use before the first field (SUSP 1.12, 5.3).
    skip: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Names {
    RockRidge,
    Joliet,
    Plain,
}

/// What the volume descriptors say.
#[derive(Default)]
struct Descriptors {
    primary: Option<Vec<u8>>,
    joliet: Option<Vec<u8>>,
    catalogue: Option<u32>,
    udf: bool,
}

impl Iso {
    /// Reads the volume descriptors of `image`, the first entry of its root and its boot catalogue.
    ///
    /// # Errors
    /// [`IsoError::Absent`] when this is another kind of image.
    pub fn open(image: Shared) -> Result<Self, IsoError> {
        let found = Descriptors::read(&image)?;
        let Some(primary) = &found.primary else {
            return Err(if found.udf { IsoError::UdfOnly } else { IsoError::Absent });
        };
        let size = u64::from(u32_le(primary, 80).unwrap_or(0)) * SECTOR;
        let mut iso = Self {
            volume_id: latin(primary.get(40..72).unwrap_or_default()),
            size,
            joliet: found.joliet.is_some(),
            rock_ridge: false,
            udf: found.udf,
            boot: Vec::new(),
            damage: Vec::new(),
            names: Names::Plain,
            root: root(primary)?,
            skip: 0,
            image,
        };
        if u16_le(primary, 128) != Some(SECTOR as u16) {
            let problem = format!("logical blocks of {} bytes", u16_le(primary, 128).unwrap_or(0));
            return Err(IsoError::Damaged { problem, offset: SYSTEM_AREA + 128 });
        }
        if size > iso.image.size() {
            iso.damage.push(format!(
                "the volume has {size} bytes (offset {}), the image ends at {}: it is cut off",
                SYSTEM_AREA + 80,
                iso.image.size()
            ));
        }
        iso.choose_names(found.joliet.as_deref())?;
        if let Some(catalogue) = found.catalogue {
            match el_torito::read_catalogue(&iso.image, catalogue) {
                Ok((entries, damage)) => {
                    iso.boot = entries;
                    iso.damage.extend(damage);
                }
                Err(error) => iso.damage.push(error.to_string()),
            }
        }
        Ok(iso)
    }

    /// Rock Ridge, when the first entry of the root says so, else Joliet, else the names of ISO 9660.
    fn choose_names(&mut self, joliet: Option<&[u8]>) -> Result<(), IsoError> {
        let bytes = self.directory_bytes(&self.root)?;
        let length = usize::from(u8_at(&bytes, 0).unwrap_or(0));
        let record = bytes.get(..length).unwrap_or_default();
        if let Some(skip) = rock_ridge::announced(record.get(34..).unwrap_or_default()) {
            self.rock_ridge = true;
            self.names = Names::RockRidge;
            self.skip = skip;
        } else if let Some(joliet) = joliet {
            self.names = Names::Joliet;
            self.root = root(joliet)?;
        }
        Ok(())
    }

    /// The root directory.
    pub fn root_entry(&self) -> &Entry {
        &self.root
    }

    /// What is in a directory, in its order.
    pub fn entries(&self, directory: &Entry) -> Result<Vec<Entry>, IsoError> {
        let bytes = self.directory_bytes(directory)?;
        let base = directory.extents.first().map_or(0, |range| range.start);
        let (mut entries, mut at): (Vec<Entry>, usize) = (Vec::new(), 0);
        let mut open = false;
        while let Some(length) = u8_at(&bytes, at).map(usize::from) {
            if length == 0 {
                // The rest of a sector is not used; the next entry begins in the next one.
                at = (at + 1).next_multiple_of(SECTOR as usize);
                continue;
            }
            let offset = base + at as u64;
            let damaged = || IsoError::Damaged { problem: "a directory entry is cut off".to_owned(), offset };
            let record = bytes.get(at..at + length).ok_or_else(damaged)?;
            at += length;
            let name = record
                .get(33..33 + usize::from(u8_at(record, 32).ok_or_else(damaged)?))
                .ok_or_else(damaged)?;
            if name == [0] || name == [1] {
                continue;
            }
            let (entry, more) = self.entry(record, name).ok_or_else(damaged)?;
            match entries.last_mut() {
                Some(last) if open && last.extents.len() < MAX_EXTENTS => last.extents.extend(entry.extents),
                _ => entries.push(entry),
            }
            open = more;
        }
        Ok(entries)
    }

    /// The entry of a record, and whether the next record is about the same file.
    fn entry(&self, record: &[u8], name: &[u8]) -> Option<(Entry, bool)> {
        let start = u64::from(u32_le(record, 2)?) * SECTOR;
        let bits = u8_at(record, 25)?;
        let system_use = match self.names {
            Names::RockRidge => {
                let from = (33 + name.len()).next_multiple_of(2) + self.skip;
                SystemUse::read(&self.image, record.get(from..).unwrap_or_default())
            }
            _ => SystemUse::default(),
        };
        let text = match self.names {
            Names::Joliet => joliet(name),
            _ => latin(name).split(';').next().unwrap_or_default().trim_end_matches('.').to_owned(),
        };
        let kind = match system_use.target {
            Some(target) => Kind::Symlink(target),
            None if bits & flags::DIRECTORY != 0 => Kind::Directory,
            None => Kind::File,
        };
        let entry = Entry {
            name: system_use.name.unwrap_or(text),
            kind,
            extents: iter::once(start..start + u64::from(u32_le(record, 10)?)).collect(),
            mode: system_use.mode,
        };
        Some((entry, bits & flags::MORE_EXTENTS != 0))
    }

    /// The entry at `path`, whose parts `/` separates; links are not followed.
    pub fn find(&self, path: &str) -> Result<Option<Entry>, IsoError> {
        let mut entry = self.root.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if entry.kind != Kind::Directory {
                return Ok(None);
            }
            match self.entries(&entry)?.into_iter().find(|found| found.name == part) {
                Some(found) => entry = found,
                None => return Ok(None),
            }
        }
        Ok(Some(entry))
    }

    /// Hands every entry with its path (`EFI/BOOT`) to `visit`, parents first.
    ///
    /// # Errors
    /// The first directory that is damaged, or [`IsoError::Depth`].
    pub fn walk(&self, visit: &mut dyn FnMut(&str, &Entry)) -> Result<(), IsoError> {
        let mut seen = BTreeSet::new();
        let mut open = vec![(String::new(), self.root.clone(), 0)];
        while let Some((path, directory, depth)) = open.pop() {
            let place = directory.extents.first().map(|range| range.start);
            if depth > MAX_DEPTH || !seen.insert(place) {
                return Err(IsoError::Depth(path));
            }
            let mut inner = Vec::new();
            for entry in self.entries(&directory)? {
                let path =
                    if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
                visit(&path, &entry);
                if entry.kind == Kind::Directory {
                    inner.push((path, entry, depth + 1));
                }
            }
            open.extend(inner.into_iter().rev());
        }
        Ok(())
    }

    /// The content of a file.
    pub fn file(&self, entry: &Entry) -> Mosaic {
        let mut content = Mosaic::new(entry.size());
        let mut at = 0;
        for range in &entry.extents {
            content.put(at, Arc::new(Window::new(Arc::clone(&self.image), range.clone())));
            at += range.end - range.start;
        }
        content
    }

    fn directory_bytes(&self, directory: &Entry) -> Result<Vec<u8>, IsoError> {
        let Some(range) = directory.extents.first() else { return Ok(Vec::new()) };
        let length = range.end - range.start;
        if length > MAX_DIRECTORY {
            let problem = format!("a directory of {length} bytes, more than {MAX_DIRECTORY}");
            return Err(IsoError::Damaged { problem, offset: range.start });
        }
        read(&self.image, range.start, length as usize)
    }
}

impl Descriptors {
    fn read(image: &Shared) -> Result<Self, IsoError> {
        let mut found = Self::default();
        for number in 0..MAX_DESCRIPTORS {
            let bytes = match read(image, SYSTEM_AREA + number * SECTOR, SECTOR as usize) {
                Err(IsoError::Read { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => break,
                other => other?,
            };
            let identifier: [u8; 5] = bytes_at(&bytes, 1).unwrap_or_default();
            match (&identifier, u8_at(&bytes, 0)) {
                (b"CD001", Some(0)) if bytes.get(7..30) == Some(b"EL TORITO SPECIFICATION") => {
                    found.catalogue = found.catalogue.or(u32_le(&bytes, 71));
                }
                (b"CD001", Some(1)) if found.primary.is_none() => found.primary = Some(bytes),
                (b"CD001", Some(2)) if is_joliet(&bytes) => found.joliet = Some(bytes),
                (b"NSR02" | b"NSR03", _) => found.udf = true,
                // UDF's descriptors follow behind the end of those of ISO 9660.
                (b"CD001" | b"BEA01" | b"TEA01" | b"BOOT2", _) => {}
                _ => break,
            }
        }
        Ok(found)
    }
}

/// The escape sequences of UCS-2 levels 1, 2 and 3.
fn is_joliet(descriptor: &[u8]) -> bool {
    matches!(bytes_at::<3>(descriptor, 88), Some([b'%', b'/', b'@' | b'C' | b'E']))
}

/// The root directory that a descriptor names.
fn root(descriptor: &[u8]) -> Result<Entry, IsoError> {
    let read = || Some((u64::from(u32_le(descriptor, 158)?) * SECTOR, u64::from(u32_le(descriptor, 166)?)));
    let damaged =
        || IsoError::Damaged { problem: "a volume descriptor is cut off".to_owned(), offset: SYSTEM_AREA };
    let (start, length) = read().ok_or_else(damaged)?;
    Ok(Entry {
        name: "/".to_owned(),
        kind: Kind::Directory,
        extents: iter::once(start..start + length).collect(),
        mode: None,
    })
}

fn read(image: &Shared, offset: u64, length: usize) -> Result<Vec<u8>, IsoError> {
    let mut bytes = vec![0; length];
    image.read_exact_at(offset, &mut bytes).map_err(|source| IsoError::Read { offset, source })?;
    Ok(bytes)
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect::<String>().trim_end().to_owned()
}

fn joliet(name: &[u8]) -> String {
    let units: Vec<u16> =
        name.chunks_exact(2).filter_map(|pair| bytes_at(pair, 0).map(u16::from_be_bytes)).collect();
    let text = String::from_utf16_lossy(&units);
    text.split(';').next().unwrap_or_default().to_owned()
}

impl std::fmt::Debug for Iso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ISO 9660 volume {:?} of {} bytes", self.volume_id, self.size)
    }
}
