use std::path::PathBuf;

use bootwright_formats::erofs;
use bootwright_image::Digest;

use crate::cache::CacheError;
use crate::customize::ChangeError;
use crate::customize::script::ScriptError;
use crate::kernel::{KernelError, UnfitKernel};
use crate::media::MediaError;
use crate::root::RootError;
use crate::source::archive::ArchiveError;
use crate::source::debian::DebianError;
use crate::source::oci::OciError;
use crate::tool::ToolError;
use crate::tree::{DirectoryError, EditError, FromTarError, PathError};

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The output's name cannot be an image's.
    #[error(
        "{0:?} cannot be an image directory: its name is the image's name and has letters, digits and ._-+~ only"
    )]
    Name(PathBuf),
    /// Something else is where the image shall go.
    #[error("{directory} exists and {problem}: choose another directory with -o, or remove it")]
    Occupied {
        /// The directory.
        directory: PathBuf,
        /// What is there.
        problem: String,
    },
    /// Another build writes to the same place.
    #[error("another build is writing {0}")]
    Busy(PathBuf),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Packages.
    #[error(transparent)]
    Debian(#[from] DebianError),
    /// The archive with the root.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What is in the archive.
    #[error("{path} is no usable root")]
    Tar {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: FromTarError,
    },
    /// An OCI image.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// Fetching an OCI image.
    #[error(transparent)]
    Fetch(#[from] ToolError),
    /// A layer of an OCI image.
    #[error("the layer {diff_id} of {image} cannot be laid over those below it")]
    Layer {
        /// The image.
        image: PathBuf,
        /// The layer.
        diff_id: Digest,
        /// Why.
        #[source]
        source: FromTarError,
    },
    /// The directory with the root.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A kernel that cannot boot the image.
    #[error(transparent)]
    Unfit(#[from] UnfitKernel),
    /// A change.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The tree.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The script.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The list of files that come first.
    #[error("{path}, line {line}, is no path")]
    Order {
        /// The list.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        #[source]
        source: PathError,
    },
    /// Writing the root.
    #[error("writing the root failed")]
    Root(#[from] RootError),
    /// The initrd.
    #[error(transparent)]
    Initrd(#[from] crate::initrd::Error),
    /// The UKI.
    #[error(transparent)]
    Uki(#[from] crate::uki::Error),
    /// A file of the build.
    #[error("writing the image failed at {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A disk or an ISO.
    #[error("making {file} failed")]
    Media {
        /// The artifact.
        file: String,
        /// Why.
        #[source]
        source: MediaError,
    },
    /// A manifest.
    #[error("a manifest cannot be written")]
    Manifest(#[from] serde_json::Error),
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// What the recipe asks for, or the arguments.
    Recipe,
    /// What was given to build from: a damaged archive, a kernel that lacks something.
    Input,
    /// The machine: a missing program, a full disk, the network.
    Environment,
}

impl BuildError {
    /// Whose fault it is.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Name(_) | Self::Occupied { .. } | Self::Order { .. } => Cause::Recipe,
            Self::Change(ChangeError::Host { .. }) => Cause::Environment,
            Self::Change(_) | Self::Edit(_) => Cause::Recipe,
            Self::Oci(OciError::Choice { .. }) => Cause::Recipe,
            Self::Oci(OciError::Read { .. } | OciError::Archive(ArchiveError::Write { .. })) => {
                Cause::Environment
            }
            Self::Oci(_) | Self::Layer { .. } => Cause::Input,
            Self::Tar { .. } | Self::Unfit(_) | Self::Archive(ArchiveError::Unpack { .. }) => Cause::Input,
            Self::Kernel(KernelError::Host { .. } | KernelError::Tool(_)) => Cause::Environment,
            Self::Kernel(_) | Self::Uki(_) | Self::Initrd(_) => Cause::Input,
            Self::Root(RootError::Format(_)) => Cause::Recipe,
            Self::Root(RootError::Erofs(erofs::Error::Xattr { .. } | erofs::Error::Name(_))) => Cause::Input,
            Self::Media { source: MediaError::NoBios(_) | MediaError::DiskSize { .. }, .. } => Cause::Recipe,
            Self::Script(ScriptError::Run(ToolError::Failed { .. })) => Cause::Recipe,
            Self::Busy(_)
            | Self::Cache(_)
            | Self::Debian(_)
            | Self::Fetch(_)
            | Self::Archive(_)
            | Self::Directory(_)
            | Self::Script(_)
            | Self::Root(_)
            | Self::Io { .. }
            | Self::Media { .. }
            | Self::Manifest(_) => Cause::Environment,
        }
    }
}
