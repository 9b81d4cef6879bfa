//! The root file system, from wherever it comes, with the proof that it is the right one.
//!
//! A [`VerifiedRoot`] is all that [`crate::boot`] takes, and the functions here are all that make one:
//! [`embedded()`] for a root that lies in the initrd, [`fetched()`] for one that a server has,
//! [`copied()`] for one that lies on a local medium.

mod copied;
mod embedded;
mod fetched;
pub mod progress;

use std::path::PathBuf;

use bootwright_image::root::RootManifestError;
use bootwright_image::timeline::Step;
use bootwright_image::{Digest, RootFormat, RootManifest, Verified, Verity};

use crate::boot::BootError;
use crate::failure::{Failure, chain};

pub use copied::copied;
pub use embedded::embedded;
pub use fetched::{Described, Fetched, Fetcher, RETRIES, account, described, fetched, room_for};

/// A root that gives no byte that has not been compared with a digest that is trusted.
#[derive(Debug)]
pub struct VerifiedRoot {
    place: Place,
    format: RootFormat,
    size: u64,
    verity: Option<Verity>,
}

/// Where a root is.
#[derive(Debug)]
pub enum Place {
    /// A file, all of it verified.
    File(PathBuf),
    /// A block device, which verifies what it gives.
    Device(String),
}

impl VerifiedRoot {
    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The file system in it.
    pub fn format(&self) -> RootFormat {
        self.format
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The dm-verity tree in it, by which the kernel can verify it, too.
    pub fn verity(&self) -> Option<&Verity> {
        self.verity.as_ref()
    }

    /// What `manifest` describes, at its place.
    pub fn of(manifest: &Verified<RootManifest>, place: Place) -> Self {
        Self { place, format: manifest.format, size: manifest.size, verity: manifest.verity.clone() }
    }
}

/// Why there is no verified root.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A file of the initrd.
    #[error("reading {path}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The root manifest is not the pinned one, or none.
    #[error("{from}")]
    Manifest {
        /// Where it came from.
        from: String,
        /// What is wrong with it.
        source: RootManifestError,
    },
    /// The bytes of the embedded root are others than those pinned.
    #[error("{path} is {found}, the manifest says {expected}: the image is damaged, build it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// Nothing says what the right bytes are.
    #[error(
        "the image {0} is refused: this initrd pins no image and bootwright.digest= is not given, so nothing \
         says which bytes are the right ones"
    )]
    Unpinned(String),
    /// A URL beside the image's that is none.
    #[error("the file {name:?} beside {image}: {problem}")]
    Sibling {
        /// The image's URL.
        image: String,
        /// The file.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// The download failed; the text has the evidence of every source.
    #[error(transparent)]
    Fetch(Box<bootwright_fetch::Error>),
    /// Memory or mounts.
    #[error(transparent)]
    Boot(#[from] BootError),
}

impl RootError {
    /// The failure of a boot by it; `doing` says what was being done.
    pub fn told(&self, doing: &str) -> Failure {
        match self {
            // Its sources stand in lines of their own.
            Self::Fetch(error) => {
                let cause = chain(self);
                let first = cause.lines().next().unwrap_or_default();
                Failure::new(format!("{doing}: {first}")).fetching(error)
            }
            other => Failure::of(doing, other).at(other.step()),
        }
    }

    fn step(&self) -> Step {
        match self {
            Self::Manifest { .. } | Self::Damaged { .. } | Self::Unpinned(_) => Step::Verify,
            Self::Boot(error) => error.step(),
            _ => Step::Root,
        }
    }
}

impl From<bootwright_fetch::Error> for RootError {
    fn from(error: bootwright_fetch::Error) -> Self {
        Self::Fetch(Box::new(error))
    }
}
