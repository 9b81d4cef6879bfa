//! A store whose file must have a digest that the chunks' own do not tell: read once more when it is complete.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bootwright_fetch::{FileStore, Store};
use bootwright_image::{Digest, Digester};
use bytes::Bytes;

/// Bytes read at a time.
const READ: u64 = 1 << 20;

/// A file that appears under its name only when it has the digest that was asked for, if one was.
pub(super) struct Judged {
    inner: FileStore,
    expected: Option<Digest>,
    found: Mutex<Option<Digest>>,
}

impl Judged {
    /// A store that becomes `path`.
    pub(super) fn create(path: &Path, expected: Option<Digest>) -> io::Result<Self> {
        Ok(Self { inner: FileStore::create(path)?, expected, found: Mutex::default() })
    }

    /// The digest of the file, when one was asked for and it is complete.
    pub(super) fn digest(&self) -> Option<Digest> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong, when it has another digest.
    pub(super) fn refusal(&self) -> Option<String> {
        let (expected, found) = self.expected.zip(self.digest())?;
        (expected != found).then(|| format!("{} is {found}, wanted is {expected}", self.name()))
    }

    fn read(&self) -> io::Result<Digest> {
        let (size, mut digester) = (self.inner.size()?, Digester::default());
        let mut buffer = vec![0; READ.min(size) as usize];
        while digester.bytes() < size {
            let now = (size - digester.bytes()).min(READ) as usize;
            let part = buffer.get_mut(..now).unwrap_or_default();
            self.inner.read_at(digester.bytes(), part)?;
            digester.update(part);
        }
        Ok(digester.finish())
    }
}

impl Store for Judged {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        self.inner.resize(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn is_hole(&self, range: Range<u64>) -> io::Result<bool> {
        self.inner.is_hole(range)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        self.inner.write_at(offset, pieces)
    }

    fn write_zeros(&self, range: Range<u64>) -> io::Result<()> {
        self.inner.write_zeros(range)
    }

    fn complete(&self) -> io::Result<()> {
        if self.expected.is_some() {
            let found = self.read()?;
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            if let Some(refusal) = self.refusal() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, refusal));
            }
        }
        self.inner.complete()
    }
}
