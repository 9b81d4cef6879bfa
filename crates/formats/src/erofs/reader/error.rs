use std::io;

/// Why an image or a part of it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image failed, or ends early.
    #[error("EROFS: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        #[source]
        source: io::Error,
    },
    /// Another kind of image.
    #[error("no EROFS image: there is no superblock (e2 e1 f5 e0 at offset 1024)")]
    Absent,
    /// Something that this reader does not know.
    #[error("EROFS: {what} (offset {offset}), which is not supported")]
    Unsupported {
        /// What it is.
        what: String,
        /// Where.
        offset: u64,
    },
    /// A structure that cannot be.
    #[error("EROFS: {problem} at offset {offset}")]
    Damaged {
        /// What is wrong.
        problem: String,
        /// Where.
        offset: u64,
    },
    /// Compressed data that does not unpack.
    #[error("EROFS: {length} bytes of {algorithm} at offset {offset} are broken")]
    Packed {
        /// The compressor.
        algorithm: &'static str,
        /// Where the compressed data is.
        offset: u64,
        /// How long it is.
        length: usize,
        /// What the decoder says.
        #[source]
        source: io::Error,
    },
    /// Directories that lead back to their parents, or too much of them.
    #[error("EROFS: the directories inside {0:?} have no end: they are too deep or too many")]
    Endless(String),
}

pub(super) type Result<T> = std::result::Result<T, Error>;

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Read { source, .. } => source,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// A structure at `offset` that cannot be.
pub(super) fn damaged(problem: impl Into<String>, offset: u64) -> Error {
    Error::Damaged { problem: problem.into(), offset }
}
