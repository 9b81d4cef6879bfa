//! Reads an image directory: manifest first, then every artifact it lists.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bootwright_formats::pe::{self, Uki};
use bootwright_image::manifest::{ManifestError, Mode};
use bootwright_image::root::RootManifestError;
use bootwright_image::torrent::TorrentError;
use bootwright_image::{Artifact, ArtifactKind, Digest, MAX_MANIFEST, Manifest};
use bytes::Bytes;

use super::entity::{Body, Entity, content_type};
use super::swarm::SwarmFile;

/// The file that makes a directory an image.
pub const MANIFEST: &str = "image.json";

/// An image that can be served: every artifact is there, with the size the manifest tells.
#[derive(Debug)]
pub struct Image {
    /// The manifest.
    pub manifest: Manifest,
    /// Where it lies.
    pub directory: PathBuf,
    /// The command line inside the UKI.
    pub cmdline: String,
    /// By what follows `/images/NAME/` in a URL.
    pub(super) entities: BTreeMap<String, Arc<Entity>>,
    /// The file that machines take from one another; none when the root is inside the UKI.
    pub swarm: Option<SwarmFile>,
}

/// Why a directory is not served.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file of the image cannot be opened.
    #[error("cannot open {path}{}", hint(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// `image.json` is not a manifest.
    #[error("{path}: {problem}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ManifestError,
    },
    /// An artifact is not what the build made.
    #[error("{path} has {found} bytes, its manifest says {expected}: copy the image again")]
    Size {
        /// The artifact.
        path: PathBuf,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The UKI is none.
    #[error("{path}: {problem}")]
    Uki {
        /// The UKI.
        path: PathBuf,
        /// What is wrong with it.
        problem: pe::Error,
    },
    /// The manifest lists no UKI.
    #[error("{path} lists no unified kernel image: there is nothing to boot")]
    NoUki {
        /// The manifest.
        path: PathBuf,
    },
    /// The root manifest is none.
    #[error("{path}: {problem}")]
    Root {
        /// The root manifest.
        path: PathBuf,
        /// What is wrong with it.
        problem: RootManifestError,
    },
    /// The torrent is none.
    #[error("{path}: {problem}")]
    Torrent {
        /// The torrent.
        path: PathBuf,
        /// What is wrong with it.
        problem: TorrentError,
    },
    /// The torrent is of another file.
    #[error("{path}: {problem}: build the image again, or remove the torrent")]
    Contradiction {
        /// The torrent.
        path: PathBuf,
        /// Both digests.
        problem: String,
    },
    /// A file that cannot be an image's name.
    #[error(
        "{path} cannot be served under its name: letters, digits and ._-+~ only, at most 128, none of .- first"
    )]
    FileName {
        /// The file.
        path: PathBuf,
    },
    /// Two images of one name.
    #[error("{path} is called {name:?}, like the image in {other}: a URL could mean either")]
    Twice {
        /// The second directory.
        path: PathBuf,
        /// The name.
        name: String,
        /// The first directory.
        other: PathBuf,
    },
    /// A directory that neither is an image nor holds one.
    #[error("{path} holds no {MANIFEST}, nor does any directory in it: build an image first")]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => " (is this an image directory, and whole?)",
        _ => "",
    }
}

impl ImageError {
    /// Whether it takes other privileges to see more.
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

impl Image {
    /// Opens the image in `directory`.
    pub fn open(directory: &Path) -> Result<Self, ImageError> {
        let path = directory.join(MANIFEST);
        let (bytes, modified) =
            read_manifest(&path).map_err(|source| ImageError::Io { path: path.clone(), source })?;
        let manifest = Manifest::from_bytes(&bytes)
            .map_err(|problem| ImageError::Manifest { path: path.clone(), problem })?;
        let uki = manifest.artifact(ArtifactKind::Uki).ok_or(ImageError::NoUki { path })?.file.clone();
        let etag = etag(&Digest::of(&bytes), "");
        let outer = Entity {
            etag,
            modified,
            content_type: content_type(MANIFEST),
            body: Body::Memory(Bytes::from(bytes)),
        };
        let mut entities = BTreeMap::from([(MANIFEST.to_owned(), Arc::new(outer))]);
        let mut cmdline = String::new();
        for artifact in &manifest.artifacts {
            let (file, entity) = open_artifact(directory, artifact)?;
            if artifact.file == uki {
                let bad = |problem| ImageError::Uki { path: directory.join(&artifact.file), problem };
                let uki = Uki::read(&mut &*file).map_err(bad)?;
                cmdline = uki.text(&mut &*file, ".cmdline").map_err(bad)?.unwrap_or_default();
                add_sections(&mut entities, artifact, &entity, &uki);
            }
            entities.insert(artifact.file.clone(), Arc::new(entity));
        }
        let open = |file: &str| match &entities.get(file)?.body {
            Body::File { file, .. } => Some(Arc::clone(file)),
            Body::Memory(_) => None,
        };
        let swarm = SwarmFile::of_root(directory, &manifest, open)?;
        Ok(Self { manifest, directory: directory.to_owned(), cmdline, entities, swarm })
    }

    /// The name in URLs.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// Whether machines boot it; else it is a single file.
    pub fn is_bootable(&self) -> bool {
        self.manifest.mode != Mode::File
    }

    /// What is served under `file`: an artifact, `image.json`, or a section of the UKI.
    pub fn entity(&self, file: &str) -> Option<&Arc<Entity>> {
        self.entities.get(file)
    }

    /// The file name of the UKI.
    pub fn uki(&self) -> &str {
        self.manifest.artifact(ArtifactKind::Uki).map_or("", |artifact| &artifact.file)
    }
}

fn read_manifest(path: &Path) -> io::Result<(Vec<u8>, SystemTime)> {
    let file = File::open(path)?;
    let modified = file.metadata()?.modified()?;
    let mut bytes = Vec::new();
    // One byte more than is lawful, so that Manifest::from_bytes can tell.
    file.take(MAX_MANIFEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes, modified))
}

fn open_artifact(directory: &Path, artifact: &Artifact) -> Result<(Arc<File>, Entity), ImageError> {
    let path = directory.join(&artifact.file);
    let io = |source| ImageError::Io { path: path.clone(), source };
    let file = File::open(&path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(io(io::Error::other("is not a regular file")));
    }
    if metadata.len() != artifact.size {
        return Err(ImageError::Size { path, expected: artifact.size, found: metadata.len() });
    }
    let file = Arc::new(file);
    let entity = Entity {
        etag: etag(&artifact.digest, ""),
        modified: metadata.modified().map_err(io)?,
        content_type: content_type(&artifact.file),
        body: Body::File { file: Arc::clone(&file), offset: 0, length: artifact.size },
    };
    Ok((file, entity))
}

fn add_sections(
    entities: &mut BTreeMap<String, Arc<Entity>>,
    artifact: &Artifact,
    whole: &Entity,
    uki: &Uki,
) {
    let Body::File { file, .. } = &whole.body else { return };
    let mut add = |name: &str, range: Range<u64>| {
        let entity = Entity {
            etag: etag(&artifact.digest, name),
            modified: whole.modified,
            content_type: content_type(name),
            body: Body::File { file: Arc::clone(file), offset: range.start, length: range.end - range.start },
        };
        entities.insert(format!("{}/{name}", artifact.file), Arc::new(entity));
    };
    add("linux", uki.linux());
    if let Some(initrd) = uki.range(".initrd") {
        add("initrd", initrd);
    }
}

/// The strong validator: the digest of the file, and which part of it.
pub(super) fn etag(digest: &Digest, part: &str) -> String {
    let slash = if part.is_empty() { "" } else { "/" };
    format!("\"{digest}{slash}{part}\"")
}
