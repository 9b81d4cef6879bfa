//! OCI images: an image layout (directory or tar), what `docker save` writes, and, as a layout that was
//! fetched, what a [`registry`] has.
//!
//! Specification: the OCI image specification 1.1 and, for `manifest.json`, Docker's image specification
//! 1.2. Nothing is unpacked: the layout is a [`Tree`] itself, each layer becomes a plain tar, and the layers
//! are [laid over each other](Tree::apply_layer).
//!
//! ```text
//! layout:       index.json ─▶ [index ─▶] manifest ─▶ config, layers     each a file blobs/sha256/…
//! docker save:  manifest.json ─▶ config, layers                         each named by its path
//! ```
//!
//! Every blob is checked against its digest, every layer, unpacked, against the one in the config. Not
//! supported: digests other than SHA-256, layers that must be fetched from elsewhere, encrypted
//! ones. What the config says of users, environment and commands is for containers and is not looked at.

mod document;
mod error;
pub mod registry;

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::Path;

use bootwright_image::{Digest, Digester};

use super::archive::{ArchiveError, decompress_stream};
use crate::tree::{Content, Inode, Kind, Tree, TreePath};
use document::{Config, Descriptor, DockerImage, Index, Manifest};
pub use error::OciError;

/// The largest index, manifest or config in bytes: registries refuse larger ones.
const MAX_DOCUMENT: u64 = 4 << 20;
/// Two empty blocks end a tar.
const END_MARKER: usize = 1024;
/// How deep an index may lie in another.
const MAX_DEPTH: usize = 4;
/// The most layers: overlayfs, from which images come, takes 500.
const MAX_LAYERS: usize = 500;

/// A layer of an image.
#[derive(Debug)]
pub struct Layer {
    path: TreePath,
    content: Content,
    /// The digest of the bytes as they are stored.
    digest: Option<Digest>,
    /// The digest of the plain tar.
    diff_id: Digest,
}

impl Layer {
    /// The digest of the plain tar, which no other layer has.
    pub fn diff_id(&self) -> Digest {
        self.diff_id
    }
}

/// A layout or archive.
pub struct Layout<'a> {
    image: &'a Path,
    tree: &'a Tree,
}

impl<'a> Layout<'a> {
    /// Takes the files of the layout or archive at `image`.
    pub fn new(image: &'a Path, tree: &'a Tree) -> Self {
        Self { image, tree }
    }

    /// The layers, lowest first, of the image called `reference`, or of the only one, for the architecture
    /// that OCI calls `architecture`.
    ///
    /// # Errors
    /// When there is no such image, or a part of it is missing or damaged.
    pub fn layers(&self, reference: Option<&str>, architecture: &str) -> Result<Vec<Layer>, OciError> {
        if let Some(index) = self.document::<Index>(&self.path("index.json")?, None)? {
            let manifest = self.choose(index, reference, architecture)?;
            return self.oci_layers(&manifest);
        }
        if let Some(images) = self.document::<Vec<DockerImage>>(&self.path("manifest.json")?, None)? {
            return self.docker_layers(images, reference);
        }
        Err(OciError::Unknown(self.image.to_owned()))
    }

    /// Writes a layer as a plain tar.
    ///
    /// # Errors
    /// When its bytes are not those that its digests promise, or it cannot be unpacked.
    pub fn unpack(&self, layer: &Layer, to: &Path) -> Result<(), OciError> {
        let open = || layer.content.reader().map_err(|source| self.unreadable(&layer.path, source));
        if let Some(digest) = layer.digest {
            self.check(&layer.path, open()?, digest)?;
        }
        decompress_stream(BufReader::with_capacity(1 << 20, open()?), self.image, to)?;
        let unwritable = |source| ArchiveError::Write { path: to.to_owned(), source };
        let mut tar = File::options().read(true).append(true).open(to).map_err(unwritable)?;
        self.check(&layer.path, &tar, layer.diff_id)?;
        // Some tools leave out the end marker, umoci for one; that nothing is missing the digest has told.
        Ok(tar.write_all(&[0; END_MARKER]).map_err(unwritable)?)
    }

    fn check(&self, path: &TreePath, mut bytes: impl io::Read, expected: Digest) -> Result<(), OciError> {
        let mut digester = Digester::default();
        io::copy(&mut bytes, &mut digester).map_err(|source| self.unreadable(path, source))?;
        let found = digester.finish();
        if found == expected {
            return Ok(());
        }
        Err(OciError::Damaged { image: self.image.to_owned(), path: path.clone(), expected, found })
    }

    /// The one manifest that fits, through as many indexes as it takes.
    fn choose(
        &self,
        index: Index,
        reference: Option<&str>,
        architecture: &str,
    ) -> Result<Descriptor, OciError> {
        let mut found: Vec<Descriptor> = index.manifests;
        if let Some(reference) = reference {
            let names = names(&found);
            found.retain(|descriptor| descriptor.reference() == Some(reference));
            if found.is_empty() {
                return Err(self.no_choice(true, names));
            }
        }
        for _ in 0..MAX_DEPTH {
            found.retain(|descriptor| descriptor.fits(architecture));
            let [only] = &found[..] else {
                return Err(self.no_choice(found.is_empty(), names(&found)));
            };
            if !only.is_index() {
                return found.pop().ok_or_else(|| self.no_choice(true, String::new()));
            }
            found = self.blob::<Index>(only)?.manifests;
        }
        Err(self.unusable(format!("indexes lie more than {MAX_DEPTH} deep")))
    }

    fn oci_layers(&self, descriptor: &Descriptor) -> Result<Vec<Layer>, OciError> {
        let manifest: Manifest = self.blob(descriptor)?;
        let config: Config = self.blob(&manifest.config)?;
        let stored =
            manifest.layers.iter().map(|layer| Ok((self.blob_path(layer.digest)?, Some(layer.digest))));
        self.match_layers(stored.collect::<Result<_, OciError>>()?, config)
    }

    fn docker_layers(
        &self,
        images: Vec<DockerImage>,
        reference: Option<&str>,
    ) -> Result<Vec<Layer>, OciError> {
        let tags = |image: &DockerImage| image.tags.clone().unwrap_or_default();
        let all = images.iter().flat_map(tags).collect::<Vec<_>>().join(", ");
        let named =
            |image: &DockerImage| reference.is_none_or(|name| tags(image).iter().any(|tag| tag == name));
        let found: Vec<DockerImage> = images.into_iter().filter(named).collect();
        let [image] = &found[..] else { return Err(self.no_choice(found.is_empty(), all)) };
        let path = self.path(&image.config)?;
        let config: Config = self.document(&path, None)?.ok_or_else(|| self.missing(&path))?;
        let stored = image.layers.iter().map(|layer| Ok((self.path(layer)?, None)));
        self.match_layers(stored.collect::<Result<_, OciError>>()?, config)
    }

    /// Each stored layer with what the config promises of it.
    fn match_layers(
        &self,
        stored: Vec<(TreePath, Option<Digest>)>,
        config: Config,
    ) -> Result<Vec<Layer>, OciError> {
        let diff_ids = config.rootfs.diff_ids;
        if stored.len() != diff_ids.len() || stored.len() > MAX_LAYERS {
            let (stored, named) = (stored.len(), diff_ids.len());
            let text = format!("{stored} layers are there, the config names {named} (at most {MAX_LAYERS})");
            return Err(self.unusable(text));
        }
        let layer = |((path, digest), diff_id)| {
            let content = self.content(&path)?.ok_or_else(|| self.missing(&path))?;
            Ok(Layer { path, content, digest, diff_id })
        };
        stored.into_iter().zip(diff_ids).map(layer).collect()
    }

    fn blob<T: serde::de::DeserializeOwned>(&self, descriptor: &Descriptor) -> Result<T, OciError> {
        let path = self.blob_path(descriptor.digest)?;
        self.document(&path, Some(descriptor.digest))?.ok_or_else(|| self.missing(&path))
    }

    /// A JSON document, checked against its digest when there is one; `None` when it is not there.
    fn document<T: serde::de::DeserializeOwned>(
        &self,
        path: &TreePath,
        expected: Option<Digest>,
    ) -> Result<Option<T>, OciError> {
        let Some(content) = self.content(path)? else { return Ok(None) };
        let bytes = content.read(MAX_DOCUMENT).map_err(|source| self.unreadable(path, source))?;
        if let Some(expected) = expected {
            self.check(path, bytes.as_slice(), expected)?;
        }
        let malformed =
            |source| OciError::Malformed { image: self.image.to_owned(), path: path.clone(), source };
        serde_json::from_slice(&bytes).map(Some).map_err(malformed)
    }

    /// A file of the layout; older versions of docker save link equal layers to each other.
    fn content(&self, path: &TreePath) -> Result<Option<Content>, OciError> {
        let resolved = self.tree.resolve(path).map_err(|error| self.unusable(error.to_string()))?;
        Ok(match self.tree.get(&resolved) {
            Some(Inode { kind: Kind::File(content), .. }) => Some(content.clone()),
            _ => None,
        })
    }

    fn blob_path(&self, digest: Digest) -> Result<TreePath, OciError> {
        self.path(&format!("blobs/sha256/{}", digest.hex()))
    }

    fn path(&self, text: &str) -> Result<TreePath, OciError> {
        text.parse().map_err(|error| self.unusable(format!("{error}")))
    }

    fn missing(&self, path: &TreePath) -> OciError {
        OciError::Missing { image: self.image.to_owned(), path: path.clone() }
    }

    fn unreadable(&self, path: &TreePath, source: io::Error) -> OciError {
        OciError::Read { image: self.image.to_owned(), path: path.clone(), source }
    }

    fn unusable(&self, problem: String) -> OciError {
        OciError::Unusable { image: self.image.to_owned(), problem }
    }

    fn no_choice(&self, none: bool, choices: String) -> OciError {
        OciError::Choice { image: self.image.to_owned(), none, choices }
    }
}

/// What OCI calls the architecture that this program was built for.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn names(descriptors: &[Descriptor]) -> String {
    descriptors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
