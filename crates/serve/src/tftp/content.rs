//! What is sent.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The tree of files that TFTP clients see.
pub trait Files: Send + Sync {
    /// The file at `path`, which is clean: components joined by `/`, none of them empty, `.` or `..`.
    /// Called on the thread that takes requests: it must not block for long.
    fn open(&self, path: &str, client: Ipv4Addr) -> Option<Content>;
}

/// A range of a file, or bytes in memory.
#[derive(Debug, Clone)]
pub enum Content {
    /// Part of a file that is open.
    File {
        /// The file.
        file: Arc<File>,
        /// Where the part begins, in bytes.
        offset: u64,
        /// Bytes of the part.
        length: u64,
    },
    /// A text or binary that was made for this client.
    Bytes(Arc<[u8]>),
}

impl Content {
    /// Bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `buffer` from `offset` on. A file that has become shorter is an error.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File { file, offset: start, .. } => file.read_exact_at(buffer, start + offset),
            Self::Bytes(bytes) => {
                let offset = usize::try_from(offset).map_err(io::Error::other)?;
                let source = bytes.get(offset..).and_then(|rest| rest.get(..buffer.len()));
                buffer.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}
