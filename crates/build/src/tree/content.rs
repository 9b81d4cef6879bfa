//! Where the bytes of a regular file are.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_formats::tar::Piece;
use bootwright_formats::{FileBytes, Mosaic, ReadAt, Shared, Window};
use bootwright_image::{Digest, Digester};

/// A file on the host that tree contents are parts of: an archive.
#[derive(Debug)]
pub struct Backing {
    file: File,
    size: u64,
    identity: Digest,
}

impl Backing {
    /// Takes an open archive. It is known by its inode, size and times: its bytes are not read.
    pub fn new(file: File) -> io::Result<Arc<Self>> {
        let metadata = file.metadata()?;
        Ok(Arc::new(Self { file, size: metadata.len(), identity: stamp(&metadata) }))
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

impl ReadAt for Backing {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
}

/// The bytes of a regular file: held in memory or only referred to.
#[derive(Clone)]
pub struct Content {
    length: u64,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Bytes(Arc<[u8]>),
    Part { backing: Arc<Backing>, offset: u64 },
    Host { path: PathBuf, identity: Digest, holes: bool },
    Sparse { bytes: Shared, identity: Digest },
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let from = match &self.source {
            Source::Bytes(_) => "memory".to_owned(),
            Source::Part { offset, .. } => format!("byte {offset} of an archive"),
            Source::Host { path, .. } => path.display().to_string(),
            Source::Sparse { .. } => "pieces of an archive".to_owned(),
        };
        f.debug_struct("Content").field("length", &self.length).field("from", &from).finish()
    }
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
        let holes = metadata.blocks().saturating_mul(512) < metadata.len();
        let source = Source::Host { path: path.to_owned(), identity: stamp(metadata), holes };
        Self { length: metadata.len(), source }
    }

    /// `length` bytes of which only `pieces` are in the archive; zeros between them.
    pub fn sparse(backing: &Arc<Backing>, length: u64, pieces: &[Piece]) -> Self {
        let mut digester = Digester::default();
        digester.update(&backing.identity.0);
        let mut bytes = Mosaic::new(length);
        for Piece { range, offset } in pieces {
            [range.start, range.end, *offset]
                .iter()
                .for_each(|number| digester.update(&number.to_le_bytes()));
            let end = offset.saturating_add(range.end.saturating_sub(range.start));
            bytes.put(range.start, Arc::new(Window::new(Arc::clone(backing), *offset..end)));
        }
        Self { length, source: Source::Sparse { bytes: Arc::new(bytes), identity: digester.finish() } }
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
            Source::Host { path, .. } => From::Host(open(path)?),
            Source::Sparse { bytes, .. } => From::Sparse(bytes, 0),
        };
        Ok(ContentReader { from, left: self.length })
    }

    /// The bytes as what knows their holes, when there are any.
    pub fn with_holes(&self) -> io::Result<Option<Shared>> {
        Ok(match &self.source {
            Source::Host { path, holes: true, .. } => {
                let bytes = FileBytes::new(open(path)?)?;
                if bytes.size() != self.length {
                    let text = format!("{}: it has another size than before", path.display());
                    return Err(io::Error::other(text));
                }
                Some(Arc::new(bytes))
            }
            Source::Sparse { bytes, .. } => Some(Arc::clone(bytes)),
            _ => None,
        })
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
            Source::Host { identity, .. } | Source::Sparse { identity, .. } => digester.update(&identity.0),
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
    Sparse(&'a Shared, u64),
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
            From::Sparse(bytes, offset) => {
                let count = bytes.read_at(*offset, buffer)?;
                *offset += count as u64;
                count
            }
        };
        self.left -= count as u64;
        Ok(count)
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::open(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
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
