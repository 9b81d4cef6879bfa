//! The JSON documents of an image, as far as they are looked at.

use std::collections::BTreeMap;
use std::fmt;

use bootwright_image::Digest;
use serde::Deserialize;

/// The annotation by which a layout names an image.
const REFERENCE: &str = "org.opencontainers.image.ref.name";
/// What is an index, by the names of OCI and of Docker.
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// An index: a list of manifests or further indexes.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    pub manifests: Vec<Descriptor>,
}

/// What another document says of a blob.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    media_type: String,
    pub digest: Digest,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

impl Descriptor {
    /// The name in the layout.
    pub(super) fn reference(&self) -> Option<&str> {
        self.annotations.get(REFERENCE).map(String::as_str)
    }

    /// Whether it is, or leads to, something for that architecture; what names none may be.
    pub(super) fn fits(&self, architecture: &str) -> bool {
        self.platform.as_ref().is_none_or(|own| own.os == "linux" && own.architecture == architecture)
    }

    pub(super) fn is_index(&self) -> bool {
        INDEXES.contains(&self.media_type.as_str())
    }
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reference().unwrap_or("(without a name)"))?;
        match &self.platform {
            Some(own) => write!(f, " for {}/{}", own.os, own.architecture),
            None => Ok(()),
        }
    }
}

/// An image for one platform.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// The config of an image.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
pub(super) struct RootFs {
    /// Digests of the plain layers, lowest first.
    pub diff_ids: Vec<Digest>,
}

/// An entry of docker save's `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerImage {
    pub config: String,
    #[serde(rename = "RepoTags")]
    pub tags: Option<Vec<String>>,
    pub layers: Vec<String>,
}
