//! `image.json`: the outer list over every artifact of an image.

use serde::{Deserialize, Serialize};

use crate::{Digest, MAX_MANIFEST};

/// How the machine gets from the UKI to its root file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The root is inside the UKI.
    Embed,
    /// The root is fetched whole, verified, then booted from memory.
    Ram,
    /// The root is booted at once; its blocks are fetched when they are read, and the rest in the background.
    Stream,
    /// The root is kept on a disk of the machine, and what changed of it is fetched.
    Disk,
    /// There is no machine: the image is a single file to be fetched, such as a disk image.
    File,
}

impl Mode {
    /// The word for `bootwright.mode=` and recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Ram => "ram",
            Self::Stream => "stream",
            Self::Disk => "disk",
            Self::File => "file",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "embed" => Ok(Self::Embed),
            "ram" => Ok(Self::Ram),
            "stream" => Ok(Self::Stream),
            "disk" => Ok(Self::Disk),
            other => Err(format!("unknown mode {other:?}: embed, ram, stream or disk")),
        }
    }
}

/// What an artifact is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// The unified kernel image, `image.efi`.
    Uki,
    /// The root file system, `root.img`.
    Root,
    /// The root manifest, `root.json`.
    RootManifest,
    /// A list of packages.
    Sbom,
    /// The one file of an image that no machine boots.
    File,
    /// A CD that is a stick too, `NAME.iso`.
    Iso,
    /// A disk, `NAME.raw`, `NAME.qcow2` and so on.
    Disk,
}

/// One file of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its name in the image directory.
    pub file: String,
    /// What it is for.
    pub kind: ArtifactKind,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the whole file.
    pub digest: Digest,
}

/// The manifest of an image; this is what gets signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format: 1.
    pub schema: u32,
    /// The image's name: also its directory's name and its name in URLs.
    pub name: String,
    /// The word Rust and the kernel use: `x86_64`, `aarch64`. Empty for [`Mode::File`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub architecture: String,
    /// How the machine gets its root.
    pub mode: Mode,
    /// `uname -r` of the kernel. Empty for [`Mode::File`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kernel: String,
    /// `PRETTY_NAME` of the root's os-release, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Seconds since 1970, from `SOURCE_DATE_EPOCH` or the newest input.
    pub created: u64,
    /// Every artifact beside this file, sorted by name.
    pub artifacts: Vec<Artifact>,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// More than [`MAX_MANIFEST`] bytes.
    #[error("the manifest has {0} bytes, more than {MAX_MANIFEST}")]
    TooLarge(usize),
    /// Not this format.
    #[error("the manifest is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A schema this program does not know.
    #[error("the manifest has schema {0}, this program knows 1")]
    Schema(u32),
    /// A name that could lead out of its directory, or two artifacts of one name.
    #[error("the manifest names {0:?}, which is not a plain file name or stands there twice")]
    Name(String),
    /// An image for machines that does not say for which.
    #[error("the manifest of an image in mode {} says no {key}", mode.name())]
    Missing {
        /// What is missing.
        key: &'static str,
        /// The image's mode.
        mode: Mode,
    },
}

impl Manifest {
    /// The exact bytes of `image.json`, newline at the end.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a manifest and checks its names.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.schema != 1 {
            return Err(ManifestError::Schema(manifest.schema));
        }
        let mut names = std::collections::BTreeSet::new();
        let files = manifest.artifacts.iter().map(|artifact| &artifact.file);
        for name in files {
            if !is_plain_name(name) || !names.insert(name) {
                return Err(ManifestError::Name(name.clone()));
            }
        }
        if !is_plain_name(&manifest.name) {
            return Err(ManifestError::Name(manifest.name));
        }
        let must = [("architecture", &manifest.architecture), ("kernel", &manifest.kernel)];
        match must.into_iter().find(|(_, value)| value.is_empty()) {
            Some((key, _)) if manifest.mode != Mode::File => {
                return Err(ManifestError::Missing { key, mode: manifest.mode });
            }
            _ => {}
        }
        Ok(manifest)
    }

    /// The artifact of that kind.
    pub fn artifact(&self, kind: ArtifactKind) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.kind == kind)
    }
}

/// Whether `name` is one path component that stays where it is and needs no quoting in a URL, a shell
/// or an iPXE script: letters, digits, `.`, `_`, `-`, `+`, `~`, at most 128 bytes, no leading dot or dash.
pub fn is_plain_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-+~".contains(&b);
    !name.is_empty() && name.len() <= 128 && !name.starts_with(['.', '-']) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(files: &[&str]) -> Manifest {
        let artifact = |file: &&str| Artifact {
            file: (*file).to_owned(),
            kind: ArtifactKind::Uki,
            size: 1,
            digest: Digest::of(b"x"),
        };
        Manifest {
            schema: 1,
            name: "worker_1".into(),
            architecture: "x86_64".into(),
            mode: Mode::Ram,
            kernel: "6.12.0".into(),
            os: None,
            created: 0,
            artifacts: files.iter().map(artifact).collect(),
        }
    }

    #[test]
    fn a_manifest_survives_its_own_bytes() {
        let manifest = sample(&["image.efi"]);
        assert_eq!(Manifest::from_bytes(&manifest.to_bytes().unwrap()).unwrap(), manifest);
    }

    #[test]
    fn only_a_single_file_needs_no_kernel() {
        let mut manifest = Manifest { kernel: String::new(), ..sample(&["image.efi"]) };
        let error = Manifest::from_bytes(&manifest.to_bytes().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the manifest of an image in mode ram says no kernel");
        manifest.mode = Mode::File;
        assert_eq!(Manifest::from_bytes(&manifest.to_bytes().unwrap()).unwrap(), manifest);
    }

    #[test]
    fn names_that_leave_the_directory_or_repeat_are_refused() {
        for files in [&["../x"][..], &["a/b"], &[""], &[".hidden"], &["a b"], &["a", "a"]] {
            let bytes = sample(files).to_bytes().unwrap();
            assert!(matches!(Manifest::from_bytes(&bytes), Err(ManifestError::Name(_))), "{files:?}");
        }
    }
}
