//! The reader: descriptors, directories by the best names there are, files, the boot catalogue.

mod descriptors;
mod el_torito;
mod entry;
mod error;
mod rock_ridge;

use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;

use descriptors::{Descriptors, root};
use rock_ridge::SystemUse;

pub use el_torito::{BootEntry, Platform};
pub use entry::{Entry, Kind};
pub use error::IsoError;

use super::{MAX_DEPTH, MAX_DIRECTORY, SECTOR, SYSTEM_AREA, flags};
use crate::fields::{bytes_at, u8_at, u16_le, u32_le};
use crate::{Mosaic, ReadAt, Shared, Window};

/// The most extents of one file: 1024 of 4 GiB are 4 TiB.
const MAX_EXTENTS: usize = 1024;

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
