//! The catalogue of images: which URL means which bytes.
//!
//! [`Image::open`] reads one image directory and refuses it when anything is missing; a single file
//! becomes an [image of its own](single). What peers share of an image is its [`SwarmFile`]. The
//! [`Catalogue`] holds those that are served; [`Catalogue::reload`] takes in what changed on disk,
//! while transfers of an older image go on from the files they hold open.

mod digests;
mod entity;
mod open;
mod single;
mod swarm;
mod traces;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use bootwright_image::Digest;

pub use digests::{Digesting, Digests, OnDigest, PREFIX as DIGESTS};
pub use entity::{Body, Entity, content_type};
pub use open::{Image, ImageError, MANIFEST};
pub use swarm::SwarmFile;
pub use traces::{PREFIX as TRACES, Traces};

/// Images that can be fetched by name.
pub struct Catalogue {
    /// As given on the command line: image directories, directories of them, single files.
    places: Vec<PathBuf>,
    shelf: RwLock<Arc<Vec<Arc<Image>>>>,
    seen: Mutex<Vec<Option<Stamp>>>,
    /// What is served beside the images, by URL path.
    extras: BTreeMap<String, Arc<Entity>>,
    digests: Digests,
    traces: Traces,
    /// Scheme and authority of our URLs, one for each of our addresses, once they are known: torrents name them.
    servers: OnceLock<Vec<String>>,
}

/// What a URL path leads to.
pub enum Found {
    /// These bytes.
    Entity(Arc<Entity>),
    /// Nothing, though the path is below `/images/`; says why.
    Missing(String),
    /// Nothing that is served from a file.
    Elsewhere,
}

/// What a reload found out.
#[derive(Debug)]
pub enum Change {
    /// An image is new, or not the one it was.
    Serves(String),
    /// An image is gone.
    Gone(String),
    /// A directory is not served, and why.
    Refused(ImageError),
    /// A directory cannot be looked into, since privileges were given up: its images stay as they were.
    Kept(ImageError),
}

/// Tells a changed directory, manifest or artifact.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    /// Device, inode, modification time in nanoseconds.
    directories: Vec<(u64, u64, i64, i64)>,
    /// Device, inode, bytes.
    files: BTreeSet<(u64, u64, u64)>,
}

impl Catalogue {
    /// Opens what `places` name: each an image directory or a directory of image directories. Any
    /// fault in a directory that was named itself is an error; in a directory of images the faulty
    /// ones come back beside the catalogue.
    pub fn open(places: Vec<PathBuf>) -> Result<(Self, Vec<ImageError>), ImageError> {
        Self::open_with(places, Digests::default())
    }

    /// The same; what single files are made of comes from `digests`.
    pub fn open_with(places: Vec<PathBuf>, digests: Digests) -> Result<(Self, Vec<ImageError>), ImageError> {
        let mut images = Vec::new();
        let mut faulty = Vec::new();
        for place in &places {
            for result in open_place(place, &digests)? {
                match result {
                    Ok(image) => images.push(image),
                    Err(error) => faulty.push(error),
                }
            }
        }
        let twice = take_out_twins(&mut images);
        if let Some(error) = twice.into_iter().next() {
            return Err(error);
        }
        let seen = places.iter().map(|place| stamp(place)).collect();
        let shelf = RwLock::new(Arc::new(images));
        let (seen, servers) = (Mutex::new(seen), OnceLock::new());
        let (extras, traces) = (BTreeMap::new(), Traces::default());
        Ok((Self { places, shelf, seen, extras, digests, traces, servers }, faulty))
    }

    /// Gives out torrents too, with our tracker. `servers` are scheme and authority of our URLs, the one that all
    /// clients reach first.
    pub fn give_torrents(&self, servers: Vec<String>) {
        self.servers.get_or_init(|| servers);
    }

    /// Keeps boot traces in `directory`.
    pub fn keep_traces(&mut self, directory: Option<PathBuf>) {
        self.traces = Traces::new(directory);
    }

    /// What machines told of the order in which they read their roots.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Serves `entity` at the URL path `path` too.
    pub fn add(&mut self, path: &str, entity: Entity) {
        self.extras.insert(path.to_owned(), Arc::new(entity));
    }

    /// The images, the default first.
    pub fn images(&self) -> Arc<Vec<Arc<Image>>> {
        Arc::clone(&self.shelf.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The image of that name.
    pub fn image(&self, name: &str) -> Option<Arc<Image>> {
        self.images().iter().find(|image| image.name() == name).cloned()
    }

    /// The image whose root manifest has that digest.
    pub fn image_of_root(&self, root: Digest) -> Option<Arc<Image>> {
        self.images().iter().find(|image| traces::root_of(image) == Some(root)).cloned()
    }

    /// What a decoded URL path leads to. It is only ever compared with names in the catalogue.
    pub fn find(&self, path: &str) -> Found {
        let Some(rest) = path.strip_prefix("/images/") else {
            let extra = self.extras.get(path);
            return extra.map_or(Found::Elsewhere, |entity| Found::Entity(Arc::clone(entity)));
        };
        let (name, file) = rest.split_once('/').unwrap_or((rest, ""));
        match self.image(name) {
            None => Found::Missing("there is no image of that name: see /v1/images\n".into()),
            Some(image) => {
                let made = || self.torrent(&image, file).or_else(|| self.traces.entity(&image, file));
                match image.entity(file).cloned().or_else(made) {
                    Some(entity) => Found::Entity(entity),
                    None => Found::Missing("the image has no file of that name: see its image.json\n".into()),
                }
            }
        }
    }

    fn torrent(&self, image: &Image, file: &str) -> Option<Arc<Entity>> {
        let swarm = image.swarm.as_ref().filter(|swarm| swarm.torrent_name == file)?;
        Some(swarm.torrent(self.servers.get()?, image.name()))
    }

    /// Whether a directory, a manifest or the size of an artifact changed since this was last asked.
    pub fn changed(&self) -> bool {
        let now: Vec<_> = self.places.iter().map(|place| stamp(place)).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *seen != now;
        *seen = now;
        changed
    }

    /// Reads every directory again. What cannot be served any more is gone.
    pub fn reload(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut images = Vec::new();
        let old = self.images();
        for place in &self.places {
            for result in open_place(place, &self.digests).unwrap_or_else(|error| vec![Err(error)]) {
                match result {
                    Ok(image) => images.push(image),
                    Err(error) if error.is_permission() => {
                        images.extend(old.iter().filter(|image| image.directory.starts_with(place)).cloned());
                        changes.push(Change::Kept(error));
                    }
                    Err(error) => changes.push(Change::Refused(error)),
                }
            }
        }
        changes.extend(take_out_twins(&mut images).into_iter().map(Change::Refused));
        let same = |a: &Image, b: &Image| a.manifest == b.manifest && a.directory == b.directory;
        for image in &images {
            if !old.iter().any(|old| same(old, image)) {
                changes.push(Change::Serves(image.name().to_owned()));
            }
        }
        for gone in old.iter().filter(|old| !images.iter().any(|image| image.name() == old.name())) {
            changes.push(Change::Gone(gone.name().to_owned()));
        }
        *self.shelf.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(images);
        changes
    }
}

/// The image in `place`, or that is `place`, or those in the directories right below it, by name. An error
/// is about `place` itself.
fn open_place(place: &Path, digests: &Digests) -> Result<Vec<Result<Arc<Image>, ImageError>>, ImageError> {
    if place.is_file() {
        return Ok(vec![Ok(Arc::new(Image::open_file(place, digests)?))]);
    }
    if place.join(MANIFEST).exists() {
        return Ok(vec![Ok(Arc::new(Image::open(place)?))]);
    }
    let found = directories(place).map_err(|source| ImageError::Io { path: place.to_owned(), source })?;
    if found.is_empty() {
        return Err(ImageError::Empty { path: place.to_owned() });
    }
    Ok(found.iter().map(|path| Image::open(path).map(Arc::new)).collect())
}

fn directories(place: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        let path = entry.path();
        // A build in progress writes into a hidden directory and renames it.
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && path.join(MANIFEST).exists() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Keeps the first image of each name.
fn take_out_twins(images: &mut Vec<Arc<Image>>) -> Vec<ImageError> {
    let mut names = HashSet::new();
    let (kept, twins): (Vec<_>, Vec<_>) =
        std::mem::take(images).into_iter().partition(|image| names.insert(image.name().to_owned()));
    *images = kept;
    let error = |twin: Arc<Image>| {
        let first = images.iter().find(|image| image.name() == twin.name());
        let other = first.map(|image| image.directory.clone()).unwrap_or_default();
        ImageError::Twice { path: twin.directory.clone(), name: twin.name().to_owned(), other }
    };
    twins.into_iter().map(error).collect()
}

/// A new artifact appears by rename, which changes its directory, and one that is cut short or grows is
/// another by its size. An artifact that is overwritten in its place with as many bytes is not noticed here:
/// that takes a SIGHUP.
fn stamp(place: &Path) -> Option<Stamp> {
    let of = |metadata: Metadata| (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
    let metadata = std::fs::metadata(place).ok()?;
    if metadata.is_file() {
        return Some(Stamp { directories: vec![of(metadata)], files: BTreeSet::new() });
    }
    let mut stamp = Stamp { directories: vec![of(metadata)], files: BTreeSet::new() };
    for path in std::iter::once(place.to_owned()).chain(directories(place).ok()?) {
        stamp.directories.extend(std::fs::metadata(&path).ok().map(of));
        stamp.directories.extend(std::fs::metadata(path.join(MANIFEST)).ok().map(of));
        let entries = std::fs::read_dir(&path).ok()?.flatten();
        let files = entries.filter_map(|entry| entry.metadata().ok()).filter(Metadata::is_file);
        stamp.files.extend(files.map(|file| (file.dev(), file.ino(), file.len())));
    }
    Some(stamp)
}

#[cfg(test)]
mod tests;
