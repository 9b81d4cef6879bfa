//! A sparse file, written in place.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::FlockOperation;

use super::{Store, sparse};

/// A sparse file that is written in place, by position, without a copy of the bytes in between.
#[derive(Debug)]
pub struct FileStore {
    name: String,
    file: File,
    /// Where the file goes when it is complete.
    rename: Option<(PathBuf, PathBuf)>,
}

impl FileStore {
    /// A store that becomes `path` when, and only when, it is complete: until then the bytes lie in
    /// `path.part`, where the next attempt finds them.
    ///
    /// # Errors
    /// What open(2) says, or [`io::ErrorKind::WouldBlock`] when another process downloads to the same
    /// path.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut store = Self::in_place(&part)?;
        store.name = path.display().to_string();
        store.rename = Some((part, path.to_owned()));
        Ok(store)
    }

    /// A store that writes straight into `path`, for a tmpfs that nobody looks at before the end.
    ///
    /// # Errors
    /// As [`FileStore::create`].
    pub fn in_place(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { name: path.display().to_string(), file, rename: None })
    }
}

impl Store for FileStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn is_hole(&self, range: Range<u64>) -> io::Result<bool> {
        sparse::is_hole(&self.file, range)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        sparse::write_at(&self.file, offset, pieces)
    }

    fn write_zeros(&self, range: Range<u64>) -> io::Result<()> {
        sparse::write_zeros(&self.file, range)
    }

    fn complete(&self) -> io::Result<()> {
        let Some((part, path)) = &self.rename else { return Ok(()) };
        self.file.sync_all()?;
        std::fs::rename(part, path)?;
        super::sync_parent(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn the_file_appears_under_its_name_only_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.img");
        let store = FileStore::create(&path).unwrap();
        store.resize(6).unwrap();
        store.write_at(1, &[Bytes::new(), Bytes::from_static(b"ab"), Bytes::from_static(b"c")]).unwrap();
        assert!(!path.exists());
        store.complete().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0abc\0\0");
        assert!(!dir.path().join("root.img.part").exists());
    }

    #[test]
    fn two_downloads_to_one_path_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.img");
        let _first = FileStore::create(&path).unwrap();
        assert_eq!(FileStore::create(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn zeros_take_no_room_and_replace_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sparse");
        let store = FileStore::in_place(&path).unwrap();
        store.resize(8 << 20).unwrap();
        assert!(store.is_hole(0..8 << 20).unwrap());
        store.write_at(1 << 20, &[Bytes::from(vec![7; 1 << 20])]).unwrap();
        assert!(!store.is_hole(0..8 << 20).unwrap());
        store.write_zeros(0..8 << 20).unwrap();
        let mut byte = [1];
        store.read_at(1 << 20, &mut byte).unwrap();
        assert_eq!(byte, [0]);
        assert!(std::fs::metadata(&path).unwrap().blocks() < 64);
    }
}
