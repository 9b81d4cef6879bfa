//! Where a writer writes: at offsets, small pieces gathered, and a digest of names that are made up.

use std::io::{self, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};

use super::{Error, Format};
use crate::Guid;

/// Pieces smaller than this are gathered.
const GATHER: usize = 256 << 10;

/// An output with a known position.
pub(super) struct Sink<'a, W: Write + Seek> {
    to: &'a mut W,
    /// Where the output stands.
    position: u64,
    /// What comes next there.
    gathered: Vec<u8>,
    /// The end of everything that was put.
    end: u64,
}

impl<'a, W: Write + Seek> Sink<'a, W> {
    /// The output must be empty, or hold zeros.
    pub(super) fn new(to: &'a mut W) -> io::Result<Self> {
        let position = to.seek(SeekFrom::Start(0))?;
        Ok(Self { to, position, gathered: Vec::new(), end: 0 })
    }

    /// Puts `bytes` at `at`.
    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if at != self.position + self.gathered.len() as u64 {
            self.flush()?;
            self.position = self.to.seek(SeekFrom::Start(at))?;
        }
        self.end = self.end.max(at + bytes.len() as u64);
        if bytes.len() >= GATHER {
            self.flush()?;
            self.to.write_all(bytes)?;
            self.position += bytes.len() as u64;
            return Ok(());
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.write_all(&self.gathered)?;
        self.position += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    /// Writes what was gathered; the output then has at least `size` bytes.
    pub(super) fn finish(mut self, size: u64) -> io::Result<()> {
        if self.end < size {
            self.put(size - 1, &[0])?;
        }
        self.flush()?;
        self.to.flush()
    }
}

/// How a disk is written. The same options, content and name give the same bytes.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many threads read and compress.
    pub threads: usize,
    /// What the disk's UUIDs are made of: two disks of one machine need two.
    pub seed: Vec<u8>,
    /// Seconds since 1970 for formats that keep a time.
    pub time: u64,
}

impl Options {
    /// On all cores, at time 0.
    pub fn new(seed: impl Into<Vec<u8>>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads, seed: seed.into(), time: 0 }
    }

    /// A UUID for that purpose: version 8 (RFC 9562), of the seed's SHA-256.
    pub fn uuid(&self, purpose: &str) -> Guid {
        let mut digest = Sha256::new();
        digest.update((self.seed.len() as u64).to_le_bytes());
        digest.update(&self.seed);
        digest.update(purpose);
        let digest: [u8; 32] = digest.finalize().into();
        let [bytes @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
        Guid::seeded(bytes)
    }
}

/// A disk that the format cannot hold.
pub(super) fn too_large(format: Format, size: u64, limit: u64) -> io::Error {
    let what = format!("a disk of {size} bytes is more than the {limit} that the format holds");
    Error::Unsupported { format, what }.into()
}

/// The disk's size in whole sectors: what is missing of the last one becomes zeros.
pub(super) fn whole_sectors(format: Format, source: &dyn crate::ReadAt, limit: u64) -> io::Result<u64> {
    let size = source.size();
    if size > limit {
        return Err(too_large(format, size, limit));
    }
    if size == 0 {
        return Err(Error::Unsupported { format, what: "a disk of 0 bytes cannot be".to_owned() }.into());
    }
    Ok(size.next_multiple_of(super::SECTOR))
}
