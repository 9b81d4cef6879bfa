//! The chunk manifests of single files: a file is read once, and again only when it has changed.
//!
//! `files-DIGEST.json` in the state directory, one for each path, holds what the file was (path, device,
//! inode, size, time of modification) and what it is made of. DIGEST is of the path.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bootwright_image::chunks::{ChunkDigester, size_for};
use bootwright_image::{Digest, MAX_MANIFEST, RootFormat, RootManifest};
use serde::{Deserialize, Serialize};

/// The beginning of the names of these files in the state directory.
pub const PREFIX: &str = "files-";

/// Bytes read at a time.
const READ: usize = 1 << 20;

/// A file that is being read.
#[derive(Debug, Clone, Copy)]
pub struct Digesting<'a> {
    /// The file.
    pub path: &'a Path,
    /// Bytes read so far.
    pub done: u64,
    /// Bytes of the file.
    pub total: u64,
}

/// Is told how it goes, at most once for each MiB.
pub type OnDigest = dyn Fn(Digesting<'_>) + Send + Sync;

/// Where manifests of single files are kept.
pub struct Digests {
    directory: Option<PathBuf>,
    on_digest: Box<OnDigest>,
}

impl Default for Digests {
    fn default() -> Self {
        Self { directory: None, on_digest: Box::new(|_| ()) }
    }
}

/// What a file was when it was read.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    file: Identity,
    manifest: RootManifest,
}

impl Identity {
    fn of(path: &Path, metadata: &Metadata) -> Self {
        Self {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Digests {
    /// Kept in `directory`; without one they are made anew at each start.
    pub fn new(directory: Option<PathBuf>, on_digest: Box<OnDigest>) -> Self {
        Self { directory, on_digest }
    }

    /// The manifest of the open file at `path`, called `name`.
    pub(super) fn manifest(&self, path: &Path, file: &File, name: &str) -> io::Result<RootManifest> {
        let identity = Identity::of(path, &file.metadata()?);
        let place = self.directory.as_ref().map(|directory| {
            directory.join(format!("{PREFIX}{}.json", Digest::of(path.as_os_str().as_bytes()).short()))
        });
        if let Some(kept) = place.as_deref().and_then(read)
            && kept.file == identity
            && kept.manifest.file == name
        {
            return Ok(kept.manifest);
        }
        let manifest = self.digest(path, file, name)?;
        if Identity::of(path, &file.metadata()?) != identity {
            return Err(io::Error::other("it changed while it was read"));
        }
        let kept = Kept { file: identity, manifest };
        if let Some(place) = place
            && let Err(error) = write(&place, &kept)
        {
            tracing::warn!("{}: {error}: the file will be read again at the next start", place.display());
        }
        Ok(kept.manifest)
    }

    fn digest(&self, path: &Path, mut file: &File, name: &str) -> io::Result<RootManifest> {
        let total = file.metadata()?.len();
        let mut digester = ChunkDigester::new(size_for(total));
        let mut buffer = vec![0; READ];
        let mut done = 0;
        loop {
            (self.on_digest)(Digesting { path, done, total });
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            digester.update(buffer.get(..count).unwrap_or_default());
            done += count as u64;
        }
        let (size, digest, chunks) = digester.finish();
        let format = RootFormat::Opaque;
        Ok(RootManifest { schema: 1, file: name.to_owned(), format, size, digest, chunks, verity: None })
    }
}

/// What is kept there, if it is whole: else it is as if there were nothing.
fn read(place: &Path) -> Option<Kept> {
    let mut bytes = Vec::new();
    let file = File::open(place).ok()?;
    file.take(2 * MAX_MANIFEST as u64).read_to_end(&mut bytes).ok()?;
    let kept: Kept = serde_json::from_slice(&bytes).ok()?;
    (kept.manifest.chunks.fit(kept.manifest.size) && kept.manifest.size == kept.file.size).then_some(kept)
}

fn write(place: &Path, kept: &Kept) -> io::Result<()> {
    let unfinished = place.with_extension("new");
    std::fs::write(&unfinished, serde_json::to_vec(kept)?)?;
    std::fs::rename(&unfinished, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn a_file_is_read_once_and_again_when_it_has_changed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("disk.qcow2");
        let read = Arc::new(AtomicU64::new(0));
        let manifest = || {
            let counter = Arc::clone(&read);
            let count = move |digesting: Digesting<'_>| {
                counter.fetch_add(u64::from(digesting.done == 0), Ordering::Relaxed);
            };
            let digests = Digests::new(Some(place.path().to_owned()), Box::new(count));
            digests.manifest(&path, &File::open(&path).unwrap(), "disk.qcow2").unwrap()
        };
        std::fs::write(&path, [1; 300_000]).unwrap();
        assert_eq!(
            (manifest().digest, manifest().digest),
            (Digest::of(&[1; 300_000]), Digest::of(&[1; 300_000]))
        );
        assert_eq!(read.load(Ordering::Relaxed), 1);
        // Another file of the same size takes its place.
        std::fs::write(place.path().join("new"), [2; 300_000]).unwrap();
        std::fs::rename(place.path().join("new"), &path).unwrap();
        assert_eq!(manifest().digest, Digest::of(&[2; 300_000]));
        assert_eq!(read.load(Ordering::Relaxed), 2);
        // What was kept is damaged.
        for entry in std::fs::read_dir(place.path()).unwrap() {
            let kept = entry.unwrap().path();
            if kept.extension().is_some_and(|extension| extension == "json") {
                std::fs::write(kept, b"{").unwrap();
            }
        }
        assert_eq!(manifest().size, 300_000);
        assert_eq!(read.load(Ordering::Relaxed), 3);
    }
}
