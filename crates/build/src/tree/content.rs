//! Where the bytes of a regular file are.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_image::{Digest, Digester};

/// A file on the host that tree contents are parts of: an archive.
#[derive(Debug)]
pub struct Backing {
    file: File,
    identity: Digest,
}

impl Backing {
    /// Takes an open archive. It is known by its inode, size and times: its bytes are not read.
    pub fn new(file: File) -> io::Result<Arc<Self>> {
        let identity = stamp(&file.metadata()?);
        Ok(Arc::new(Self { file, identity }))
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Changes when the file was changed.
    pub fn identity(&self) -> Digest {
        self.identity
    }
}

/// The bytes of a regular file: held in memory or only referred to.
#[derive(Debug, Clone)]
pub struct Content {
    length: u64,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Bytes(Arc<[u8]>),
    Part { backing: Arc<Backing>, offset: u64 },
    Host { path: PathBuf, identity: Digest },
}

impl Content {
    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { length: bytes.len() as u64, source: Source::Bytes(bytes) }
    }

    /// `length` bytes of an archive from `offset` on.
    pub fn part(backing: &Arc<Backing>, offset: u64, length: u64) -> Self {
        Self { length, source: Source::Part { backing: Arc::clone(backing), offset } }
    }

    /// A file of the host, whose `metadata` was just read.
    pub fn host(path: &Path, metadata: &std::fs::Metadata) -> Self {
        let source = Source::Host { path: path.to_owned(), identity: stamp(metadata) };
        Self { length: metadata.len(), source }
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Opens the bytes for reading from the start.
    pub fn reader(&self) -> io::Result<ContentReader<'_>> {
        let from = match &self.source {
            Source::Bytes(bytes) => From::Bytes(bytes),
            Source::Part { backing, offset } => From::Part(&backing.file, *offset),
            Source::Host { path, .. } => {
                let name =
                    |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
                From::Host(File::open(path).map_err(name)?)
            }
        };
        Ok(ContentReader { from, left: self.length })
    }

    /// Reads all bytes; an error when there are more than `limit`.
    pub fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        if self.length > limit {
            let text = format!("{} bytes, more than {limit}", self.length);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let mut bytes = Vec::new();
        self.reader()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Changes when the bytes may have changed, without reading what lies in a file.
    pub fn identity(&self) -> Digest {
        let mut digester = Digester::default();
        match &self.source {
            Source::Bytes(bytes) => digester.update(bytes),
            Source::Part { backing, offset } => {
                digester.update(&backing.identity.0);
                digester.update(&offset.to_le_bytes());
            }
            Source::Host { identity, .. } => digester.update(&identity.0),
        }
        digester.update(&self.length.to_le_bytes());
        digester.finish()
    }
}

/// Reads a [`Content`].
pub struct ContentReader<'a> {
    from: From<'a>,
    left: u64,
}

enum From<'a> {
    Bytes(&'a [u8]),
    Part(&'a File, u64),
    Host(File),
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let count = match &mut self.from {
            From::Bytes(bytes) => bytes.read(buffer)?,
            From::Host(file) => file.read(buffer)?,
            From::Part(file, offset) => {
                let count = file.read_at(buffer, *offset)?;
                *offset += count as u64;
                count
            }
        };
        self.left -= count as u64;
        Ok(count)
    }
}

/// What changes whenever a file is written or replaced: device, inode, size, mtime, ctime.
pub fn stamp(metadata: &std::fs::Metadata) -> Digest {
    let mut digester = Digester::default();
    digester.update(&metadata.dev().to_le_bytes());
    digester.update(&metadata.ino().to_le_bytes());
    digester.update(&metadata.size().to_le_bytes());
    for number in [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()] {
        digester.update(&number.to_le_bytes());
    }
    digester.finish()
}
