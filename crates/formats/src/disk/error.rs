//! Why a disk image cannot be opened or read.

use std::io;

use super::{Format, MAX_CHAIN};

/// A fault of an image, with its place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image is damaged, or no image of that format.
    #[error("{format}: byte {offset}: {what}")]
    Broken {
        /// As what it was read.
        format: Format,
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The image uses something that is not read here.
    #[error("{format}: {what}")]
    Unsupported {
        /// Its format.
        format: Format,
        /// What it uses, and what to do.
        what: String,
    },
    /// Another file that the image needs was not attached or does not fit.
    #[error("{format}: needs {name:?}: {what}")]
    Missing {
        /// The format of the image that names it.
        format: Format,
        /// The file, as the image names it.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// Another file that the image needs could not be opened.
    #[error("opening {name:?}, which {from:?} names as its {role}")]
    Open {
        /// The file, as the image names it.
        name: String,
        /// The image that names it.
        from: String,
        /// What it is to that image.
        role: super::Role,
        /// Why not.
        source: io::Error,
    },
    /// Files name each other in a circle.
    #[error("{0:?} is its own ancestor: the images name each other as parents in a circle")]
    Cycle(String),
    /// There are more parents than anybody needs.
    #[error("{0:?} would be the parent number {MAX_CHAIN} in a row: join some of them first")]
    Depth(String),
    /// The bytes could not be read.
    #[error("reading the image")]
    Io(#[from] io::Error),
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::Unsupported { .. } => Self::new(io::ErrorKind::Unsupported, error),
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// Result of a reader.
pub(super) type Result<T> = std::result::Result<T, Error>;
