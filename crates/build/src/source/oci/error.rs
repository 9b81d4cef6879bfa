use std::io;
use std::path::PathBuf;

use bootwright_image::Digest;

use crate::source::archive::ArchiveError;
use crate::tree::TreePath;

/// Why an image cannot be used. Paths are those within the layout or archive.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// It is neither of the kinds that are known.
    #[error(
        "{0} is neither an OCI image layout nor what docker save writes: it has no index.json or manifest.json"
    )]
    Unknown(PathBuf),
    /// A part that another names is not there.
    #[error("{image} has no {path}")]
    Missing {
        /// The layout or archive.
        image: PathBuf,
        /// The part.
        path: TreePath,
    },
    /// A part cannot be read.
    #[error("reading {path} of {image} failed")]
    Read {
        /// The layout or archive.
        image: PathBuf,
        /// The part.
        path: TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A part that is no such document.
    #[error("{path} of {image} is malformed")]
    Malformed {
        /// The layout or archive.
        image: PathBuf,
        /// The part.
        path: TreePath,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A part whose bytes are not those that its name promises.
    #[error("{path} of {image} is damaged: its digest is {found}, not {expected}")]
    Damaged {
        /// The layout or archive.
        image: PathBuf,
        /// The part.
        path: TreePath,
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// None or several images fit.
    #[error("{image} has {}: {choices}", if *.none { "no image that fits" } else { "several images: name one with reference" })]
    Choice {
        /// The layout or archive.
        image: PathBuf,
        /// Whether none fits.
        none: bool,
        /// What there is.
        choices: String,
    },
    /// Numbers that do not fit together or are too large.
    #[error("{image} cannot be used: {problem}")]
    Unusable {
        /// The layout or archive.
        image: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A layer cannot be unpacked.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}
