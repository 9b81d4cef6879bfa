//! A store that unpacks what is written to it: gzip, xz, Zstandard, also several streams in a row.
//!
//! The compressed bytes are not kept, so a download that is broken off starts anew.

use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bootwright_fetch::{Arriving, InOrder, Store};
use bootwright_formats::compression::{Compression, Whole};
use bootwright_image::Digester;
use bytes::Bytes;

use super::done::Unpacked;

/// Bytes written at a time.
const WRITE: usize = 256 << 10;

/// A file that is unpacked while it arrives, into `PATH.part`.
pub(super) struct Unpacking {
    path: PathBuf,
    part: PathBuf,
    /// Locked: two downloads to one path exclude each other.
    _lock: File,
    arriving: InOrder<Unpacked>,
    unpacked: Mutex<Option<Unpacked>>,
}

impl Unpacking {
    /// A store that becomes `path` when it is complete.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let lock = File::options().write(true).create(true).truncate(false).open(&part)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        let to = part.clone();
        let arriving =
            InOrder::new(path.display().to_string(), move |arriving| unpack(arriving, File::create(&to)?));
        Ok(Self { path: path.to_owned(), part, _lock: lock, arriving, unpacked: Mutex::default() })
    }

    /// What came of it.
    pub(super) fn unpacked(&self) -> Option<Unpacked> {
        *self.unpacked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Unpacking {
    fn name(&self) -> &str {
        self.arriving.name()
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        self.arriving.resize(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.arriving.size()
    }

    fn is_hole(&self, range: Range<u64>) -> io::Result<bool> {
        self.arriving.is_hole(range)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.arriving.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        self.arriving.write_at(offset, pieces)
    }

    fn write_zeros(&self, range: Range<u64>) -> io::Result<()> {
        self.arriving.write_zeros(range)
    }

    fn complete(&self) -> io::Result<()> {
        self.arriving.complete()?;
        *self.unpacked.lock().unwrap_or_else(PoisonError::into_inner) = self.arriving.take();
        File::open(&self.part)?.sync_all()?;
        std::fs::rename(&self.part, &self.path)
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        if self.unpacked().is_none() {
            // It is of no use to the next attempt.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Unpacks one stream after the other.
fn unpack(arriving: Arriving, mut file: File) -> io::Result<Unpacked> {
    let (compression, source) = Compression::peek(BufReader::new(arriving))?;
    if compression == Compression::None {
        let text = "it is not compressed with gzip, xz or zstd";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut source = Whole::new(source);
    let mut digester = Digester::default();
    let mut buffer = vec![0; WRITE];
    loop {
        let count = source.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(Unpacked { size: digester.bytes(), digest: digester.finish() });
        };
        digester.update(bytes);
        file.write_all(bytes)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::Digest;
    use std::process::{Command, Stdio};

    /// What a program of the system makes of `bytes`.
    fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
        let mut child =
            Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output.stdout
    }

    fn feed(store: &Unpacking, bytes: &[u8], step: usize) -> io::Result<()> {
        let mut at = 0;
        for piece in bytes.chunks(step) {
            store.write_at(at, &[Bytes::copy_from_slice(piece)])?;
            at += piece.len() as u64;
        }
        store.complete()
    }

    #[test]
    fn what_gzip_xz_and_zstd_pack_is_unpacked_also_when_it_starts_anew() {
        let place = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for program in ["gzip", "xz", "zstd"] {
            let path = place.path().join(program);
            let store = Unpacking::create(&path).unwrap();
            let mut twice = packed(program, &content);
            twice.extend(packed(program, b"second"));
            store.write_at(0, &[Bytes::copy_from_slice(&twice[..1000])]).unwrap();
            feed(&store, &twice, 4096).unwrap();
            let expected = [&content[..], b"second"].concat();
            assert_eq!(std::fs::read(&path).unwrap(), expected, "{program}");
            let unpacked = store.unpacked().unwrap();
            assert_eq!((unpacked.size, unpacked.digest), (expected.len() as u64, Digest::of(&expected)));
        }
    }

    #[test]
    fn two_downloads_to_one_path_do_not_mix() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let _first = Unpacking::create(&path).unwrap();
        assert_eq!(Unpacking::create(&path).err().unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_is_cut_or_not_compressed_leaves_nothing_behind() {
        let place = tempfile::tempdir().unwrap();
        let whole = packed("zstd", &[7; 100_000]);
        for bytes in [&whole[..whole.len() - 3], b"plain text", b""] {
            let path = place.path().join("out");
            let store = Unpacking::create(&path).unwrap();
            assert!(feed(&store, bytes, 10).is_err(), "{bytes:?}");
            drop(store);
            assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        }
    }
}
