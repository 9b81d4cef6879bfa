//! A file that is whole already and that nobody writes to.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;

use super::Store;

/// What a [`Seeder`](crate::Seeder) gives from: every call that would change the file fails.
#[derive(Debug)]
pub struct ReadOnly {
    name: String,
    file: Arc<File>,
}

impl ReadOnly {
    /// The open file, which is called `name` in messages.
    pub fn new(name: impl Into<String>, file: Arc<File>) -> Self {
        Self { name: name.into(), file }
    }
}

fn read_only() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

impl Store for ReadOnly {
    fn name(&self) -> &str {
        &self.name
    }

    fn resize(&self, _size: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn is_hole(&self, _range: Range<u64>) -> io::Result<bool> {
        Ok(false)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, _offset: u64, _pieces: &[Bytes]) -> io::Result<()> {
        Err(read_only())
    }

    fn write_zeros(&self, _range: Range<u64>) -> io::Result<()> {
        Err(read_only())
    }

    fn complete(&self) -> io::Result<()> {
        Err(read_only())
    }
}
