//! Any single file as an image: an ISO, a disk image, a tarball. It can be fetched and shared by peers, not
//! booted: what is in it is nobody's business here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bootwright_image::manifest::{Mode, is_plain_name};
use bootwright_image::{Artifact, ArtifactKind, Digest, Manifest, RootManifest};

use super::digests::Digests;
use super::entity::{Body, Entity, content_type};
use super::open::{Image, ImageError, MANIFEST, etag};
use super::swarm::SwarmFile;

/// The manifest of the file's chunks beside it.
const CHUNKS: &str = "root.json";

impl Image {
    /// The file `path` as an image of its name. Reading it takes time when `digests` do not know it.
    pub(super) fn open_file(path: &Path, digests: &Digests) -> Result<Self, ImageError> {
        let io = |source| ImageError::Io { path: path.to_owned(), source };
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| is_plain_name(name));
        // The names of the files beside it.
        let name = name.filter(|name| ![MANIFEST, CHUNKS].contains(name));
        let name = name.ok_or_else(|| ImageError::FileName { path: path.to_owned() })?;
        let file = File::open(path).map_err(io)?;
        let modified = file.metadata().and_then(|metadata| metadata.modified()).map_err(io)?;
        let absolute = std::path::absolute(path).map_err(io)?;
        let chunks = digests.manifest(&absolute, &file, name).map_err(io)?;
        let chunks_bytes = chunks.to_bytes().map_err(|error| io(io::Error::other(error)))?;
        let artifact =
            |file: &str, kind, size, digest| Artifact { file: file.to_owned(), kind, size, digest };
        let listed = Digest::of(&chunks_bytes);
        let problem = |problem| ImageError::Root { path: path.to_owned(), problem };
        let chunks = RootManifest::verify(&chunks_bytes, &listed).map_err(problem)?;
        let manifest = Manifest {
            schema: 1,
            name: name.to_owned(),
            architecture: String::new(),
            mode: Mode::File,
            kernel: String::new(),
            os: None,
            created: modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            artifacts: vec![
                artifact(name, ArtifactKind::File, chunks.size, chunks.digest),
                artifact(CHUNKS, ArtifactKind::RootManifest, chunks_bytes.len() as u64, listed),
            ],
        };
        let manifest_bytes = manifest.to_bytes().map_err(|error| io(io::Error::other(error)))?;
        let file = Arc::new(file);
        let whole = Entity {
            etag: etag(&chunks.digest, ""),
            modified,
            content_type: content_type(name),
            body: Body::File { file: Arc::clone(&file), offset: 0, length: chunks.size },
        };
        let in_memory = |name: &str, bytes: Vec<u8>| Entity {
            etag: etag(&Digest::of(&bytes), ""),
            modified,
            content_type: content_type(name),
            body: Body::Memory(bytes.into()),
        };
        let entities = BTreeMap::from([
            (name.to_owned(), Arc::new(whole)),
            (CHUNKS.to_owned(), Arc::new(in_memory(CHUNKS, chunks_bytes))),
            (MANIFEST.to_owned(), Arc::new(in_memory(MANIFEST, manifest_bytes))),
        ]);
        let swarm = SwarmFile::new(format!("{name}.torrent"), chunks, file, None)?;
        Ok(Self {
            manifest,
            directory: path.to_owned(),
            cmdline: String::new(),
            entities,
            swarm: Some(swarm),
        })
    }
}
