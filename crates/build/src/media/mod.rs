//! Media from a finished image: a [disk](disk()), and an [ISO](iso()) that is a stick too.
//!
//! Both are [`Mosaic`](bootwright_formats::Mosaic)s around the one `image.efi` and the one `root.img`: nothing is copied before they are
//! written, and nothing is stored in them twice. [`Material`] is what they are made of, [`Grub`] what a BIOS
//! needs, [`DataPartition`] what lies behind the root of a disk, [`Signer`] who signs its root hash, [`write()`] puts them into a file of any format.
//! [`Seed`] is a medium for cloud-init.

mod disk;
mod error;
mod esp;
mod grub;
mod iso;
mod partitions;
mod root;
mod seed;
mod signature;
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_formats::gpt::{Guid, kinds};
use bootwright_formats::pe::Uki;
use bootwright_formats::{FileBytes, Shared};
use bootwright_image::manifest::{ArtifactKind, Mode};
use bootwright_image::{Digest, Manifest, RootManifest};

pub use disk::{DiskOptions, disk};
pub use error::MediaError;
pub use grub::Grub;
pub use iso::{IsoOptions, iso};
pub use partitions::{DataPartition, FileSystem, Growth, Names, Purpose, empty_fat, make_ext4};
pub use seed::{Seed, SeedMedium, is_user_data};
pub use signature::Signer;
pub use write::{Format, write};

/// An image's files, open, and what its manifests say of them.
#[derive(Clone)]
pub struct Material {
    manifest: Manifest,
    uki: Shared,
    root: Option<Shared>,
    root_manifest: RootManifest,
    root_manifest_bytes: Arc<Vec<u8>>,
    /// Kernel and initrd in the UKI, and the command line.
    boot: BootParts,
    kinds: kinds::Kinds,
}

/// What a boot loader that runs no PE file takes out of the UKI, as ranges of it.
#[derive(Debug, Clone)]
struct BootParts {
    linux: std::ops::Range<u64>,
    initrd: std::ops::Range<u64>,
    cmdline: String,
}

impl Material {
    /// Opens the image in `directory`; `manifest` is its own, or will be.
    ///
    /// # Errors
    /// [`MediaError`] when a file is missing or is not what it should be.
    pub fn open(directory: &Path, manifest: &Manifest) -> Result<Self, MediaError> {
        let root = match manifest.mode {
            Mode::Embed | Mode::File => PathBuf::new(),
            Mode::Ram | Mode::Stream | Mode::Disk => directory.join(file_of(manifest, ArtifactKind::Root)?),
        };
        Self::open_around(directory, manifest, &root)
    }

    /// As [`open`](Self::open), with a root that is not in the directory yet.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_around(directory: &Path, manifest: &Manifest, root: &Path) -> Result<Self, MediaError> {
        let uki = directory.join(file_of(manifest, ArtifactKind::Uki)?);
        let path = directory.join(file_of(manifest, ArtifactKind::RootManifest)?);
        let bytes = std::fs::read(&path).map_err(|source| MediaError::Io { path: path.clone(), source })?;
        let root_manifest =
            RootManifest::from_bytes(&bytes).map_err(|source| MediaError::RootManifest { path, source })?;
        let root = match manifest.mode {
            Mode::Embed | Mode::File => None,
            Mode::Ram | Mode::Stream | Mode::Disk => Some(open(root)?),
        };
        if let Some(root) = &root
            && root.size() != root_manifest.size
        {
            return Err(MediaError::Root { found: root.size(), expected: root_manifest.size });
        }
        let kinds = kinds_of(&manifest.architecture)
            .ok_or_else(|| MediaError::Architecture(manifest.architecture.clone()))?;
        Ok(Self {
            manifest: manifest.clone(),
            boot: boot_parts(&uki)?,
            uki: open(&uki)?,
            root,
            root_manifest,
            root_manifest_bytes: Arc::new(bytes),
            kinds,
        })
    }

    /// The processor that the image is for, as Rust names it.
    pub fn architecture(&self) -> &str {
        &self.manifest.architecture
    }

    fn name(&self) -> &str {
        &self.manifest.name
    }

    /// A BIOS is a thing of x86 alone.
    pub fn has_bios(&self) -> bool {
        self.kinds == kinds::X86_64
    }

    /// `BOOTX64.EFI`: what firmware starts from a medium that it knows nothing of.
    fn default_path(&self) -> String {
        format!("EFI/BOOT/BOOT{}.EFI", efi_name(&self.manifest.architecture).to_uppercase())
    }

    fn artifact_digest(&self, kind: ArtifactKind) -> Digest {
        self.manifest.artifact(kind).map_or(Digest::of(b""), |artifact| artifact.digest)
    }

    /// 16 bytes that are the same for the same image and purpose.
    fn seed(&self, purpose: &str) -> [u8; 16] {
        let uki = self.artifact_digest(ArtifactKind::Uki);
        let Digest(bytes) = Digest::of(&[purpose.as_bytes(), &[0], &uki.0].concat());
        let [seed @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = bytes;
        seed
    }

    fn guid(&self, purpose: &str) -> Guid {
        Guid::seeded(self.seed(purpose))
    }

    /// The command line for a boot loader that does not start the UKI: the agent has to be told that the
    /// image lies on the medium, since no firmware tells where it was loaded from.
    fn bios_cmdline(&self) -> String {
        match self.manifest.mode {
            Mode::Embed | Mode::File => self.boot.cmdline.clone(),
            Mode::Ram | Mode::Stream | Mode::Disk => {
                format!("{} bootwright.image=disk:", self.boot.cmdline).trim_start().to_owned()
            }
        }
    }
}

fn file_of(manifest: &Manifest, kind: ArtifactKind) -> Result<&str, MediaError> {
    manifest.artifact(kind).map(|artifact| artifact.file.as_str()).ok_or(MediaError::Incomplete(kind))
}

fn open(path: &Path) -> Result<Shared, MediaError> {
    let bytes = File::open(path).and_then(FileBytes::new);
    let bytes = bytes.map_err(|source| MediaError::Io { path: path.to_owned(), source })?;
    Ok(Arc::new(bytes))
}

fn boot_parts(path: &Path) -> Result<BootParts, MediaError> {
    let read = |file: &mut File| -> Result<BootParts, bootwright_formats::pe::Error> {
        let uki = Uki::read(file)?;
        let range = |name| uki.range(name).unwrap_or(0..0);
        let cmdline = uki.text(file, ".cmdline")?.unwrap_or_default();
        Ok(BootParts { linux: range(".linux"), initrd: range(".initrd"), cmdline: cmdline.trim().to_owned() })
    };
    let mut file = File::open(path).map_err(|source| MediaError::Io { path: path.to_owned(), source })?;
    read(&mut file).map_err(|source| MediaError::Uki { path: path.to_owned(), source })
}

fn kinds_of(architecture: &str) -> Option<kinds::Kinds> {
    let name = match architecture {
        "x86_64" => "x86-64",
        "aarch64" => "arm64",
        other => other,
    };
    kinds::ARCHITECTURES.iter().find(|kinds| kinds.architecture == name).copied()
}

/// The `x64` in the names of files that UEFI looks for.
fn efi_name(architecture: &str) -> &str {
    match architecture {
        "x86_64" => "x64",
        "aarch64" => "aa64",
        other => other,
    }
}

/// A size in whole MiB.
fn whole_mib(size: u64) -> u64 {
    size.next_multiple_of(MIB)
}

const MIB: u64 = 1 << 20;
