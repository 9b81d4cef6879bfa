//! What the build writes into the initrd for the agent: `/bootwright/pin.json`.

use serde::{Deserialize, Serialize};

use crate::manifest::Mode;
use crate::root::RootManifestError;
use crate::{Digest, RootManifest, Verified};

/// Where the pin lies in the initrd.
pub const PATH: &str = "/bootwright/pin.json";
/// Where the root lies in the initrd in mode `embed`.
pub const EMBEDDED_ROOT: &str = "/bootwright/root.img";
/// Where the root manifest lies in the initrd in mode `embed`.
pub const EMBEDDED_ROOT_MANIFEST: &str = "/bootwright/root.json";

/// Ties a UKI to its root. It lies inside the initrd, since a boot loader may replace `.cmdline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Version of this format: 1.
    pub schema: u32,
    /// The image's name.
    pub name: String,
    /// How the root comes.
    pub mode: Mode,
    /// SHA-256 of `root.json`.
    pub root_manifest: Digest,
    /// URL of `image.json`, when the recipe fixes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When the image was built, seconds since 1970: a clock that shows less is wrong.
    pub built: u64,
    /// The command line of the build. A boot loader can drop `.cmdline`; this copy is the agent's
    /// fallback, the machine's own line wins key by key.
    #[serde(default)]
    pub cmdline: String,
}

impl Pin {
    /// Takes `bytes` for the root manifest if, and only if, they have the pinned digest.
    pub fn verify(&self, bytes: &[u8]) -> Result<Verified<RootManifest>, RootManifestError> {
        RootManifest::verify(bytes, &self.root_manifest)
    }
}
