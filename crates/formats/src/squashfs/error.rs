use std::io;

/// Why an image or a part of it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image failed, or ends early.
    #[error("squashfs: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        #[source]
        source: io::Error,
    },
    /// Another kind of image.
    #[error("no squashfs image: it does not begin with hsqs")]
    Absent,
    /// Something that this reader does not know.
    #[error("squashfs: {what} (offset {offset}), which is not supported")]
    Unsupported {
        /// What it is.
        what: String,
        /// Where.
        offset: u64,
    },
    /// A structure that cannot be.
    #[error("squashfs: {problem} at offset {offset}")]
    Damaged {
        /// What is wrong.
        problem: String,
        /// Where.
        offset: u64,
    },
    /// Compressed data that does not unpack.
    #[error("squashfs: {length} compressed bytes at offset {offset} are broken")]
    Packed {
        /// Where the compressed data is.
        offset: u64,
        /// How long it is.
        length: usize,
        /// What the decoder says.
        #[source]
        source: io::Error,
    },
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
