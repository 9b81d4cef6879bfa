//! The recipe: a TOML file that says what an image is made of. `docs/recipe.md` is its manual.
//!
//! [`Recipe::load`] reads the text into [raw tables](raw) that mirror the file, then [checks](check)
//! them into the types of this module: whatever a [`Recipe`] holds can be built as far as the recipe
//! alone can tell. A fault is a [`RecipeError`] that points at the place in the text.

mod check;
mod error;
mod raw;
mod template;

pub use error::{RecipeError, RecipeProblem};
pub use template::Template;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bootwright_formats::gpt::SectorSize;
use bootwright_image::RootFormat;
use bootwright_image::manifest::Mode;

use crate::media::{DataPartition, Format, Signer};
use crate::tree::{Glob, TreePath};

/// The file name of a recipe, when the user names a directory or nothing.
pub const FILE_NAME: &str = "bootwright.toml";

/// The largest recipe in bytes: it is written by people, and read whole into memory.
pub const MAX_RECIPE: u64 = 4 << 20;

/// What an image is made of, checked. Paths of the host are absolute or relative to the process, no
/// longer to the recipe.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Where it was read from.
    pub path: PathBuf,
    /// The image's name.
    pub name: String,
    /// How the machine gets its root.
    pub mode: Mode,
    /// The URL of `image.json`, pinned in the initrd; `None`: the machine finds out.
    pub url: Option<String>,
    /// The file system of the root.
    pub format: RootFormat,
    /// The compressor within it; `None`: the best that the kernel can read.
    pub compression: Option<Compression>,
    /// URLs of directories that hold copies of the image's files, each with a slash at its end.
    pub mirrors: Vec<String>,
    /// A list of files whose data comes first.
    pub order: Option<PathBuf>,
    /// Whether the root carries its digests.
    pub verity: Integrity,
    /// Where the root comes from.
    pub root: RootSource,
    /// Paths that are left out of the root.
    pub exclude: Vec<Glob>,
    /// Where kernel and modules come from.
    pub kernel: KernelSource,
    /// The version to take when the source has several.
    pub kernel_version: Option<String>,
    /// Whether `/boot` stays in the root.
    pub boot_files: BootFiles,
    /// The kernel command line.
    pub cmdline: String,
    /// What goes into the initrd.
    pub initrd: Initrd,
    /// How the root is changed.
    pub changes: Changes,
    /// What is made beside UKI and root.
    pub output: Output,
}

/// Where the root file system comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootSource {
    /// Debian packages, installed by mmdebstrap.
    Debian(Debian),
    /// A tar archive, plain or compressed.
    Tar(PathBuf),
    /// A directory of the host.
    Directory(PathBuf),
    /// An OCI image.
    Oci(Oci),
}

/// Where an OCI image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oci {
    /// In an image layout, or what `docker save` writes.
    Host {
        /// The directory or archive.
        path: PathBuf,
        /// The image's name in it; `None`: there is only one.
        reference: Option<String>,
    },
    /// In a registry: `docker.io/library/debian:trixie`.
    Registry(String),
}

/// What mmdebstrap shall install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debian {
    /// `trixie`, `bookworm`, `sid`, …
    pub suite: String,
    /// Packages beside those of the variant.
    pub packages: Vec<String>,
    /// `main`, `contrib`, `non-free-firmware`, …
    pub components: Vec<String>,
    /// The mirror's URL; `None`: the host's own.
    pub mirror: Option<String>,
    /// The keyring that vouches for the mirror; `None`: as the host's own sources say.
    pub keyring: Option<PathBuf>,
    /// mmdebstrap's variant: `essential`, `apt`, `minbase`, …
    pub variant: String,
}

/// What follows the root file system in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrity {
    /// Nothing.
    None,
    /// A dm-verity tree.
    Verity,
}

/// Compressors of root file systems, by the kernel's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// XZ: smaller and several times slower to read.
    Xz,
    /// LZ4: larger, fastest to read.
    Lz4,
    /// Deflate.
    Gzip,
}

/// Where kernel and modules come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelSource {
    /// `/boot/vmlinuz-VERSION` and `/lib/modules/VERSION` of the root.
    Root,
    /// The same paths of a Debian package, which also go into the root.
    Deb(PathBuf),
    /// Files of the host; the modules also go into the root.
    Paths {
        /// The kernel image.
        image: PathBuf,
        /// The directory `lib/modules/VERSION`.
        modules: PathBuf,
        /// The kernel's configuration.
        config: Option<PathBuf>,
    },
}

/// Whether `/boot`, which a machine that boots this image never reads, stays in the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootFiles {
    /// Left out.
    Drop,
    /// Left in.
    Keep,
}

/// Which modules go into the initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Any machine that boots over a wired network.
    Network,
    /// Any machine: wired network and storage.
    Generic,
    /// The machine that builds.
    Host,
}

/// What goes into the initrd.
#[derive(Debug, Clone)]
pub struct Initrd {
    /// Which modules.
    pub profile: Profile,
    /// Files of the host and where they lie in the initrd.
    pub add: Vec<(PathBuf, TreePath)>,
    /// Early microcode, a cpio archive.
    pub microcode: Option<PathBuf>,
}

/// What is made of UKI and root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The formats, each one once.
    pub formats: BTreeSet<Format>,
    /// Whether a BIOS boots them.
    pub bios: Bios,
    /// Bytes of disks; `None`: as large as their content.
    pub disk_size: Option<u64>,
    /// Sectors of disks.
    pub sector: SectorSize,
    /// Who signs the root hash of dm-verity.
    pub signer: Option<Signer>,
    /// What lies behind the root of disks.
    pub partitions: Vec<DataPartition>,
}

/// Whether media boot from a BIOS, which takes GRUB's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bios {
    /// When GRUB is installed where the image is built.
    #[default]
    WhenPossible,
    /// Always: without GRUB the build fails.
    Always,
    /// Never.
    Never,
}

/// How the root is changed after it was fetched, in this order.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Directories of the host laid over the root.
    pub trees: Vec<TreeChange>,
    /// Single files.
    pub files: Vec<FileChange>,
    /// `/etc/hostname`.
    pub hostname: Option<String>,
    /// `LANG`.
    pub locale: Option<String>,
    /// Users.
    pub users: Vec<User>,
    /// Units that start at boot.
    pub enable: Vec<String>,
    /// Units that can't be started.
    pub mask: Vec<String>,
    /// A shell script that runs inside the root.
    pub script: Option<String>,
}

/// A directory laid over the root.
#[derive(Debug, Clone)]
pub struct TreeChange {
    /// The directory on the host.
    pub from: PathBuf,
    /// Where it goes.
    pub path: TreePath,
    /// Who owns the files; `None`: root.
    pub owner: Option<Owner>,
}

/// A file put into the root.
#[derive(Debug, Clone)]
pub struct FileChange {
    /// Where it goes.
    pub path: TreePath,
    /// What is in it.
    pub content: FileContent,
    /// Its mode; `None`: 0644 for text, that of the host's file otherwise.
    pub mode: Option<u32>,
    /// Who owns it; `None`: root.
    pub owner: Option<Owner>,
}

/// What is in a file.
#[derive(Debug, Clone)]
pub enum FileContent {
    /// This text.
    Text(String),
    /// The bytes of a file on the host.
    Host(PathBuf),
}

/// `USER:GROUP`, each a name of the root's own `/etc/passwd` and `/etc/group`, or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: String,
    /// The group; `None`: the user's own.
    pub group: Option<String>,
}

/// A user of the machine, made or changed.
#[derive(Debug, Clone)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The user id; `None`: the next free one from 1000 on.
    pub uid: Option<u32>,
    /// Further groups, made as system groups when missing.
    pub groups: Vec<String>,
    /// Lines for `~/.ssh/authorized_keys`.
    pub ssh_keys: Vec<String>,
    /// crypt(5)'s hash; empty: no password is asked; `None`: no password is accepted.
    pub password_hash: Option<String>,
    /// The login shell; `None`: `/bin/bash` where the root has it, else `/bin/sh`.
    pub shell: Option<String>,
    /// The home directory; `None`: `/home/NAME`.
    pub home: Option<TreePath>,
}

impl Recipe {
    /// Reads and checks a recipe; `path` may be its directory.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
        let fail = |source| RecipeError::Read { path: file.clone(), source };
        let length = std::fs::metadata(&file).map_err(fail)?.len();
        if length > MAX_RECIPE {
            return Err(RecipeError::TooLarge { path: file, length });
        }
        let text = std::fs::read_to_string(&file).map_err(fail)?;
        Self::parse(&file, &text)
    }

    /// Checks the text of a recipe that lies, or would lie, at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, RecipeError> {
        let raw: raw::Recipe = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            RecipeError::at(path, text, vec![RecipeProblem { span, text: error.message().trim().to_owned() }])
        })?;
        check::check(path, raw).map_err(|problems| RecipeError::at(path, text, problems))
    }
}

#[cfg(test)]
mod tests;
