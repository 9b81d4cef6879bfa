//! Results of steps, kept from one build to the next.
//!
//! ```text
//! CACHE/lock                  held by the build that uses the cache
//! CACHE/STEP-KEY/…            the files that a step made; appears by rename, complete
//! CACHE/tmp/…                 what the running build writes; what a killed one left is removed
//! ```
//!
//! A step's key is the digest of all its inputs. The cache can be deleted at any time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bootwright_image::{Digest, Digester};
use rustix::fs::FlockOperation;

/// How many results of one step are kept: enough to go back and forth between a few variants of a
/// recipe, few enough that the cache stays a small multiple of the image.
const KEPT: usize = 3;

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("using the cache failed at {path}")]
pub struct CacheError {
    /// The file concerned.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The cache of one build at a time.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    _lock: File,
}

impl Cache {
    /// Opens or makes the cache in `directory`. When another build holds it, `waiting` is called once,
    /// and this returns when that one is done.
    pub fn open(directory: &Path, waiting: impl FnOnce()) -> Result<Self, CacheError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError { path, source }
        };
        std::fs::create_dir_all(directory).map_err(at(directory))?;
        let path = directory.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                waiting();
                rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|e| at(&path)(e.into()))?;
            }
            Err(error) => return Err(at(&path)(error.into())),
        }
        let cache = Self { directory: directory.to_owned(), _lock: lock };
        let tmp = cache.tmp();
        if tmp.exists() {
            std::fs::remove_dir_all(&tmp).map_err(at(&tmp))?;
        }
        std::fs::create_dir_all(&tmp).map_err(at(&tmp))?;
        Ok(cache)
    }

    /// Where steps write before they are done; emptied when the cache is opened.
    pub fn tmp(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    /// The directory with the results of `step`, if it has run with these inputs.
    pub fn get(&self, step: &str, key: Digest) -> Option<PathBuf> {
        let path = self.path(step, key);
        path.is_dir().then(|| {
            // For the choice of what to throw away: used now.
            let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
            let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
            if let Err(error) =
                rustix::fs::utimensat(rustix::fs::CWD, &path, &times, rustix::fs::AtFlags::empty())
            {
                tracing::debug!(%error, path = %path.display(), "the time of use is not kept");
            }
            path
        })
    }

    /// Runs `make`, which writes the results of `step` into the directory it gets, and keeps them.
    pub fn put<E: From<CacheError>>(
        &self,
        step: &str,
        key: Digest,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError { path, source }
        };
        let tmp = self.tmp();
        let unfinished = tempfile::Builder::new().prefix(step).tempdir_in(&tmp).map_err(at(&tmp))?;
        make(unfinished.path())?;
        sync_directory(unfinished.path()).map_err(at(unfinished.path()))?;
        let path = self.path(step, key);
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(at(&path))?;
        }
        std::fs::rename(unfinished.path(), &path).map_err(at(&path))?;
        self.forget_old(step).map_err(at(&self.directory))?;
        Ok(path)
    }

    /// Forgets a result that turned out to be damaged.
    pub fn forget(&self, step: &str, key: Digest) -> Result<(), CacheError> {
        let path = self.path(step, key);
        std::fs::remove_dir_all(&path).map_err(|source| CacheError { path, source })
    }

    fn path(&self, step: &str, key: Digest) -> PathBuf {
        self.directory.join(format!("{step}-{}", key.hex()))
    }

    fn forget_old(&self, step: &str) -> io::Result<()> {
        let mut results = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_result = name.to_str().and_then(|name| name.strip_prefix(step)?.strip_prefix('-'));
            if is_result.is_some_and(|key| key.len() == 64) {
                results.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        results.sort();
        let surplus = results.len().saturating_sub(KEPT);
        results.iter().take(surplus).try_for_each(|(_, path)| std::fs::remove_dir_all(path))
    }
}

/// Writes the files of a directory and the directory itself through to the disk.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { sync_directory(&path)? } else { File::open(&path)?.sync_all()? }
    }
    File::open(directory)?.sync_all()
}

/// Digests a step's inputs. Each has a name and its length before it, so that no two lists of inputs
/// look alike.
#[derive(Default)]
pub struct Key(Digester);

impl Key {
    /// Adds an input.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.update(&(name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update(&(value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    /// The key.
    pub fn finish(self) -> Digest {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(text: &'static str) -> impl FnOnce(&Path) -> Result<(), CacheError> {
        move |directory| {
            let path = directory.join("file");
            std::fs::write(&path, text).map_err(|source| CacheError { path, source })
        }
    }

    #[test]
    fn a_result_is_found_by_its_key_until_newer_ones_push_it_out() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path(), || panic!("nobody else is here")).unwrap();
        let key = |n: u8| Key::default().with("n", [n]).finish();
        assert_eq!(cache.get("step", key(0)), None);
        for n in 0..5 {
            cache.put("step", key(n), make("x")).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!((0..5).filter(|n| cache.get("step", key(*n)).is_some()).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn a_step_that_fails_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path(), || ()).unwrap();
        let failed = |directory: &Path| {
            std::fs::write(directory.join("half"), "half").unwrap();
            Err(CacheError { path: directory.to_owned(), source: io::ErrorKind::StorageFull.into() })
        };
        let key = Digest::of(b"");
        assert!(cache.put("step", key, failed).is_err());
        assert_eq!(cache.get("step", key), None);
        assert_eq!(std::fs::read_dir(cache.tmp()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_build_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("tmp/left")).unwrap();
        let cache = Cache::open(directory.path(), || ()).unwrap();
        assert_eq!(std::fs::read_dir(cache.tmp()).unwrap().count(), 0);
    }
}
