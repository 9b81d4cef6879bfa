//! The words that every other crate of bootwright shares.
//!
//! An *image* is a directory of *artifacts*. Its outer list is the [`Manifest`] (`image.json`); its
//! root file system is described by the [`RootManifest`] (`root.json`): size, SHA-256 and one digest
//! per [chunk](chunks). The UKI carries a [`Pin`] inside its initrd, which names the digest of the root
//! manifest, so that from the UKI on nothing unverified runs. What has been checked is a [`Verified`],
//! and only checking makes one.
//!
//! Standard BitTorrent clients know the same file by its [torrent].
//!
//! A *machine* reads its instructions from the kernel [command line](cmdline) and tells its story as
//! [timeline events](timeline).
//!
//! This crate has no I/O policy, no async and no TOML: the agent links it.

#![forbid(unsafe_code)]

pub mod chunks;
pub mod cmdline;
pub mod digest;
pub mod manifest;
pub mod medium;
pub mod pin;
pub mod root;
pub mod timeline;
pub mod torrent;
pub mod trace;
mod verified;
mod verity;

pub use chunks::Chunks;
pub use digest::{Digest, Digester};
pub use manifest::{Artifact, ArtifactKind, Manifest};
pub use pin::Pin;
pub use root::{RootFormat, RootManifest};
pub use verified::Verified;
pub use verity::{SignedRootHash, VERITY_BLOCK, Verity};

/// The largest manifest of any kind that is read: 32 768 chunks take about 4 MiB of JSON, and a
/// machine that is told to read more is being attacked.
pub const MAX_MANIFEST: usize = 16 << 20;
