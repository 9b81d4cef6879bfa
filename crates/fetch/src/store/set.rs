//! Several files, laid end to end: what a torrent of a directory is.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bootwright_image::torrent::PlacedFile;
use bytes::Bytes;
use rustix::fs::{FlockOperation, Mode, OFlags};

use super::{Store, sparse};
use crate::piece::Gather;

/// A directory of sparse files, written in place. Its name has `.part` behind it until every byte is there.
///
/// A file is opened for each write and read: a torrent may have more files than a process may have open.
#[derive(Debug)]
pub struct FileSet {
    name: String,
    part: PathBuf,
    path: PathBuf,
    /// Locked. Files are opened below it, so that they are found after it has got its name.
    directory: File,
    files: Vec<PlacedFile>,
}

impl FileSet {
    /// A store of `files` that becomes the directory `path` when, and only when, it is complete: until then they lie
    /// in `path.part`, where the next attempt finds them.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when something is at `path`, [`io::ErrorKind::WouldBlock`] when another
    /// process downloads to it, or what the system says.
    pub fn create(path: &Path, files: Vec<PlacedFile>) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            let text = "it is there already, and a torrent of several files makes a directory of its own";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        std::fs::create_dir_all(&part)?;
        let directory = File::open(&part)?;
        rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { name: path.display().to_string(), part, path: path.to_owned(), directory, files })
    }

    /// Does `work` for each file that has bytes of `range`, with those bytes as a range of that file; the file is
    /// `None` for padding.
    fn each(
        &self,
        range: Range<u64>,
        mut work: impl FnMut(Option<&File>, Range<u64>) -> io::Result<()>,
    ) -> io::Result<()> {
        let first = self.files.partition_point(|file| file.range.end <= range.start);
        let files = self.files.iter().skip(first).take_while(|file| file.range.start < range.end);
        for placed in files.filter(|file| !file.range.is_empty()) {
            let start = placed.range.start.max(range.start) - placed.range.start;
            let end = placed.range.end.min(range.end) - placed.range.start;
            let Some(path) = &placed.path else {
                work(None, start..end)?;
                continue;
            };
            let done = self.open(path, OFlags::empty()).and_then(|file| work(Some(&file), start..end));
            done.map_err(|error| of(path, &error))?;
        }
        Ok(())
    }

    fn open(&self, path: &Path, more: OFlags) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | more;
        Ok(rustix::fs::openat(&self.directory, path, flags, Mode::from_raw_mode(0o666))?.into())
    }

    /// Makes the file, and the directories on the way to it.
    fn make(&self, path: &Path, size: u64) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(self.part.join(parent))?;
        }
        self.open(path, OFlags::CREATE)?.set_len(size)
    }
}

/// The error, with the file that it is of.
fn of(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Store for FileSet {
    fn name(&self) -> &str {
        &self.name
    }

    /// Makes the files; `size` is theirs together.
    fn resize(&self, _size: u64) -> io::Result<()> {
        for placed in &self.files {
            if let Some(path) = &placed.path {
                let size = placed.range.end - placed.range.start;
                self.make(path, size).map_err(|error| of(path, &error))?;
            }
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.files.last().map_or(0, |file| file.range.end))
    }

    fn is_hole(&self, range: Range<u64>) -> io::Result<bool> {
        let mut hole = true;
        self.each(range, |file, range| {
            if let Some(file) = file {
                hole = hole && sparse::is_hole(file, range)?;
            }
            Ok(())
        })?;
        Ok(hole)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let range = offset..offset.saturating_add(buffer.len() as u64);
        let mut rest = buffer;
        self.each(range, |file, range| {
            let length = (range.end - range.start) as usize;
            let (part, behind) = std::mem::take(&mut rest).split_at_mut(length);
            rest = behind;
            match file {
                Some(file) => file.read_exact_at(part, range.start),
                None => {
                    part.fill(0);
                    Ok(())
                }
            }
        })?;
        if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn write_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        let mut gather = Gather::default();
        pieces.iter().for_each(|piece| gather.push(piece.clone()));
        self.each(offset..offset + gather.len() as u64, |file, range| {
            let pieces = gather.take((range.end - range.start) as usize);
            match file {
                Some(file) => sparse::write_at(file, range.start, &pieces),
                // The digest has said that it is right: nobody reads it again.
                None => Ok(()),
            }
        })
    }

    fn write_zeros(&self, range: Range<u64>) -> io::Result<()> {
        self.each(range, |file, range| file.map_or(Ok(()), |file| sparse::write_zeros(file, range)))
    }

    fn complete(&self) -> io::Result<()> {
        // One call for all files, however many.
        rustix::fs::syncfs(&self.directory)?;
        std::fs::rename(&self.part, &self.path)?;
        super::sync_parent(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Files of these sizes; none stands for padding of 5 bytes.
    fn files(sizes: &[Option<u64>]) -> Vec<PlacedFile> {
        let mut at = 0;
        let file = |(number, size): (usize, &Option<u64>)| {
            let range = at..at + size.unwrap_or(5);
            at = range.end;
            PlacedFile { path: size.map(|_| format!("d{}/f{number}", number % 3).into()), range }
        };
        sizes.iter().enumerate().map(file).collect()
    }

    #[test]
    fn the_directory_appears_when_it_is_complete_and_is_read_under_its_new_name() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let set = FileSet::create(&path, files(&[Some(3), None, Some(0), Some(4)])).unwrap();
        set.resize(12).unwrap();
        assert!(set.is_hole(0..12).unwrap());
        set.write_at(0, &[Bytes::from_static(b"abc\0\0"), Bytes::from_static(b"\0\0\0defg")]).unwrap();
        assert!(!path.exists());
        set.complete().unwrap();
        assert_eq!(std::fs::read(path.join("d0/f0")).unwrap(), b"abc");
        assert_eq!(std::fs::read(path.join("d0/f3")).unwrap(), b"defg");
        assert_eq!(std::fs::read(path.join("d2/f2")).unwrap(), b"");
        let mut all = [1; 12];
        set.read_at(0, &mut all).unwrap();
        assert_eq!(&all, b"abc\0\0\0\0\0defg");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
        assert_eq!(FileSet::create(&path, Vec::new()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn two_downloads_to_one_directory_do_not_mix_and_links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let first = FileSet::create(&path, files(&[Some(3)])).unwrap();
        assert_eq!(FileSet::create(&path, Vec::new()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        std::fs::create_dir_all(place.path().join("out.part/d0")).unwrap();
        std::os::unix::fs::symlink(place.path().join("victim"), place.path().join("out.part/d0/f0")).unwrap();
        assert!(first.resize(3).unwrap_err().to_string().contains("d0/f0"));
        assert!(!place.path().join("victim").exists());
    }

    proptest! {
        #[test]
        fn what_is_written_anywhere_is_read_there(
            sizes in proptest::collection::vec(proptest::option::weighted(0.8, 0u64..9), 1..9),
            writes in proptest::collection::vec((0u64..40, 0usize..20), 0..6),
        ) {
            let place = tempfile::tempdir().unwrap();
            let files = files(&sizes);
            let total = files.last().unwrap().range.end;
            let padding: Vec<_> = files.iter().filter(|f| f.path.is_none()).map(|f| f.range.clone()).collect();
            let set = FileSet::create(&place.path().join("out"), files).unwrap();
            set.resize(total).unwrap();
            let mut expected = vec![0u8; total as usize];
            for (at, length) in writes {
                let at = at.min(total);
                let length = length.min((total - at) as usize);
                set.write_at(at, &[Bytes::from(vec![7; length])]).unwrap();
                expected[at as usize..at as usize + length].fill(7);
            }
            for range in padding {
                expected[range.start as usize..range.end as usize].fill(0);
            }
            let mut read = vec![1; total as usize];
            set.read_at(0, &mut read).unwrap();
            prop_assert_eq!(read, expected);
        }
    }
}
