//! Step 8: the finished directory takes its place, whole or not at all.
//!
//! Everything is written to `.NAME.unfinished` beside the output, flushed to the disk, then renamed; when
//! an older image is there, the two change places in one rename and the older one is removed. A build
//! that is killed leaves `.NAME.unfinished`, which the next one clears away.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bootwright_image::torrent::ROOT_TORRENT;
use bootwright_image::{ArtifactKind, Digest, Manifest};
use rustix::fs::{CWD, FlockOperation, RenameFlags};

use super::BuildError;
use super::root::at;
use super::uki::{MANIFEST, place_key};
use crate::cache::{Cache, CacheError, sync_directory};
use crate::tree::stamp;

/// Fails when `output` is something that must not be replaced: anything but an image or an empty
/// directory.
pub(super) fn check_replaceable(output: &Path) -> Result<(), BuildError> {
    let occupied = |problem: String| BuildError::Occupied { directory: output.to_owned(), problem };
    let entries = match std::fs::read_dir(output) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(occupied("is no directory".into()));
        }
        Err(error) => return Err(at(output)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(at(output))?.file_name());
    }
    if names.is_empty() {
        return Ok(());
    }
    let manifest =
        std::fs::read(output.join(MANIFEST)).ok().and_then(|bytes| Manifest::from_bytes(&bytes).ok());
    let Some(manifest) = manifest else { return Err(occupied("is no image".into())) };
    let known = |name: &str| {
        [MANIFEST, ROOT_TORRENT].contains(&name)
            || manifest.artifacts.iter().any(|artifact| artifact.file == name)
    };
    match names.iter().find(|name| !name.to_str().is_some_and(known)) {
        None => Ok(()),
        Some(name) => Err(occupied(format!("holds {}, which is no part of the image", name.display()))),
    }
}

/// The directory in which an image grows.
pub(super) struct Staging {
    directory: PathBuf,
    _lock: File,
}

impl Staging {
    /// Makes it beside `output`, or clears away what a killed build left there.
    pub fn open(output: &Path) -> Result<Self, BuildError> {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        let directory = output.with_file_name(format!(".{name}.unfinished"));
        if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(at(parent))?;
        }
        std::fs::create_dir_all(&directory).map_err(at(&directory))?;
        let lock = File::open(&directory).map_err(at(&directory))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(BuildError::Busy(output.to_owned())),
            Err(error) => return Err(at(&directory)(error.into())),
        }
        for entry in std::fs::read_dir(&directory).map_err(at(&directory))? {
            let path = entry.map_err(at(&directory))?.path();
            std::fs::remove_file(&path).map_err(at(&path))?;
        }
        Ok(Self { directory, _lock: lock })
    }

    /// Where a file of the image is written.
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// Puts the image in its place.
    pub fn publish(self, output: &Path) -> Result<(), BuildError> {
        sync_directory(&self.directory).map_err(at(&self.directory))?;
        check_replaceable(output)?;
        let rename = |flags| rustix::fs::renameat_with(CWD, &self.directory, CWD, output, flags);
        let renamed =
            if output.exists() { rename(RenameFlags::EXCHANGE) } else { rename(RenameFlags::NOREPLACE) };
        match renamed {
            Ok(()) => {}
            // File systems without these renames (NFS): the older image goes first.
            Err(rustix::io::Errno::INVAL) => {
                if output.exists() {
                    std::fs::remove_dir_all(output).map_err(at(output))?;
                }
                std::fs::rename(&self.directory, output).map_err(at(output))?;
            }
            Err(error) => return Err(at(output)(error.into())),
        }
        let parent =
            output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(at(parent))
        // Dropping removes what is now at the staging place: the older image.
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.directory.display(), %error, "an unfinished directory stays behind");
            }
            _ => {}
        }
    }
}

/// What was put where, so that the next build can tell that nothing changed.
pub(super) struct Place<'a> {
    output: &'a Path,
    cache: &'a Cache,
    key: Digest,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Remembered {
    key: Digest,
    manifest: Manifest,
    /// By file name: device, inode, size and times.
    stamps: BTreeMap<String, Digest>,
}

const REMEMBERED: &str = "image.json";

impl<'a> Place<'a> {
    /// The image with that key at `output`.
    pub fn new(output: &'a Path, cache: &'a Cache, key: Digest) -> Self {
        Self { output, cache, key }
    }

    /// The manifest, when the very image with this key is there, untouched.
    pub fn unchanged(&self) -> Option<Manifest> {
        let directory = self.cache.get("image", place_key(self.output))?;
        let bytes = std::fs::read(directory.join(REMEMBERED)).ok()?;
        let remembered: Remembered = serde_json::from_slice(&bytes).ok()?;
        let same = remembered.key == self.key && self.stamps(&remembered.manifest).ok()? == remembered.stamps;
        same.then_some(remembered.manifest)
    }

    /// Remembers that this image was put there.
    pub fn remember(&self, manifest: &Manifest) -> Result<(), BuildError> {
        let stamps = self.stamps(manifest).map_err(at(self.output))?;
        let remembered = Remembered { key: self.key, manifest: manifest.clone(), stamps };
        let bytes = serde_json::to_vec(&remembered)?;
        self.cache.put("image", place_key(self.output), |directory| {
            let path = directory.join(REMEMBERED);
            std::fs::write(&path, bytes).map_err(|source| CacheError { path, source })
        })?;
        Ok(())
    }

    fn stamps(&self, manifest: &Manifest) -> io::Result<BTreeMap<String, Digest>> {
        let torrent = manifest.artifact(ArtifactKind::Root).map(|_| ROOT_TORRENT);
        let files = manifest.artifacts.iter().map(|artifact| artifact.file.as_str());
        let files = files.chain([MANIFEST]).chain(torrent);
        files.map(|file| Ok((file.to_owned(), stamp(&std::fs::metadata(self.output.join(file))?)))).collect()
    }
}
