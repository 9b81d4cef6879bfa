//! What can go wrong, with the evidence.
//!
//! A [`Failure`] is one attempt at one source; an [`Error`] ends a download and lists the last failure of
//! every source.

mod failure;

use std::fmt::Write as _;
use std::io;

use bootwright_image::Digest;
use bootwright_image::torrent::{InfoError, InfoHash};

use crate::store::Store;
pub use failure::{BadChunk, Cause, Failure, Fault, WrongFile};

/// Why a download ended without its file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No source was given.
    #[error("there is no source to fetch from")]
    NoSource,
    /// Every source was tried as often as allowed.
    #[error("{what} could not be fetched: {stored} of {total} bytes are there{}", list(.failures))]
    Exhausted {
        /// The file's name.
        what: String,
        /// Bytes that are verified and stored.
        stored: u64,
        /// Bytes of the file.
        total: u64,
        /// The last failure of each source.
        failures: Vec<Failure>,
    },
    /// No source has the chunk that the manifest names.
    #[error("{what} is damaged at every source{}", list(.failures))]
    Corrupt {
        /// The file's name.
        what: String,
        /// Who sent what.
        failures: Vec<Failure>,
    },
    /// One transfer was tried as often as allowed.
    #[error("giving up after {attempts} attempts")]
    Transfer {
        /// How often it failed in a row.
        attempts: u32,
        /// The last failure.
        #[source]
        failure: Box<Failure>,
    },
    /// The whole file has another digest.
    #[error("{url} is {found}, wanted is {expected}")]
    Digest {
        /// What was fetched.
        url: String,
        /// The digest wanted.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// More bytes than the caller allows.
    #[error("{url} has {} bytes, more than the {limit} allowed", size_or_more(.size))]
    TooLarge {
        /// What was fetched.
        url: String,
        /// Its size, when the server says it before sending.
        size: Option<u64>,
        /// The limit in bytes.
        limit: u64,
    },
    /// No peer gives the metadata of a torrent.
    #[error("nobody gives the metadata of the torrent {info_hash}{}", list(.failures))]
    Metadata {
        /// Which torrent.
        info_hash: InfoHash,
        /// What peers and trackers did last.
        failures: Vec<Failure>,
    },
    /// The metadata of a torrent is right, and of no use.
    #[error("the torrent {info_hash} cannot be fetched")]
    Torrent {
        /// Which torrent.
        info_hash: InfoHash,
        /// What is wrong with it.
        #[source]
        error: InfoError,
    },
    /// The store does not take the bytes: the disk or the memory is full, or broken.
    #[error("storing {what} failed at byte {offset}")]
    Store {
        /// The store's name.
        what: String,
        /// Where in the file.
        offset: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A thread of the program died: a fault in bootwright itself.
    #[error("a worker of the download died: {0}")]
    Worker(String),
}

impl Error {
    /// The store does not take or give the byte at `offset`.
    pub(crate) fn of_store(store: &dyn Store, offset: u64, source: io::Error) -> Self {
        Self::Store { what: store.name().to_owned(), offset, source }
    }
}

fn size_or_more(size: &Option<u64>) -> String {
    size.map_or_else(|| "too many".to_owned(), |size| size.to_string())
}

fn list(failures: &[Failure]) -> String {
    failures.iter().map(|failure| format!("\n  {}", explain(failure))).collect()
}

/// An error and all its causes on one line.
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A formatter for String never fails.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
