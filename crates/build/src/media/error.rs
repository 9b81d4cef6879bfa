use std::path::PathBuf;

use bootwright_formats::{fat, gpt, iso9660, mbr, pe, swap};
use bootwright_image::manifest::ArtifactKind;
use bootwright_image::root::RootManifestError;

use crate::tool::ToolError;

/// Why there is no medium.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A file.
    #[error("reading or writing {path}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An image without an artifact that media need.
    #[error("the image has no artifact {0:?}: build it again")]
    Incomplete(ArtifactKind),
    /// An architecture that has no partition types here.
    #[error("media for the architecture {0:?} are not supported")]
    Architecture(String),
    /// The UKI.
    #[error("{path} is no usable UKI")]
    Uki {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pe::Error,
    },
    /// The root manifest.
    #[error("{path} is no usable root manifest")]
    RootManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: RootManifestError,
    },
    /// The root is another one than the manifest's.
    #[error("the root has {found} bytes, its manifest says {expected}: the image is damaged, build it again")]
    Root {
        /// Bytes that it has.
        found: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// BIOS boot was asked for.
    #[error("BIOS boot needs GRUB's files in {0}: install grub-pc-bin and grub-common, or say bios = false")]
    NoGrub(PathBuf),
    /// BIOS boot of something that has no BIOS.
    #[error("BIOS boot is for x86_64, the image is for {0}: say bios = false")]
    NoBios(String),
    /// GRUB's files are not what this program knows.
    #[error("{path}: {problem}: this program knows GRUB 2.02 to 2.12")]
    Grub {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// grub-mkimage, mke2fs, openssl.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A disk that shall be smaller than its content.
    #[error("the disk needs {needed} bytes, disk_size says {size}")]
    DiskSize {
        /// Bytes of its content.
        needed: u64,
        /// Bytes that it shall have.
        size: u64,
    },
    /// A swap partition.
    #[error(transparent)]
    Swap(#[from] swap::SwapError),
    /// The EFI system partition, or one for data.
    #[error(transparent)]
    Fat(#[from] fat::WriteError),
    /// The partition table.
    #[error(transparent)]
    Gpt(#[from] gpt::TableError),
    /// The boot record.
    #[error(transparent)]
    Mbr(#[from] mbr::RecordError),
    /// The ISO.
    #[error(transparent)]
    Iso(#[from] iso9660::WriteError),
}
