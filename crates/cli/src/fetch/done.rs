//! A file that is there, and how scripts learn of it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bootwright_image::Digest;
use serde::Serialize;

/// A file that has been fetched.
#[derive(Debug, Serialize)]
pub(super) struct Fetched {
    /// Where it is.
    pub(super) file: PathBuf,
    /// Bytes, as they were fetched.
    pub(super) size: u64,
    /// SHA-256, as it was fetched; unknown when it was fetched by pieces that a torrent tells by other digests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<Digest>,
    /// Who vouches for it.
    pub(super) verified: Verified,
    /// Bytes that were there from an earlier attempt, or zeros that nobody had to send.
    pub(super) kept: u64,
    /// Chunks that came damaged and were refused.
    pub(super) refused: u32,
    /// Who sent how much.
    pub(super) sources: Vec<Sent>,
    /// What came of unpacking it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unpacked: Option<Unpacked>,
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub(super) took: Duration,
    /// Every byte is there, verified as far as `verified` says.
    pub(super) complete: bool,
}

/// What stands behind the bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by", content = "at")]
pub(super) enum Verified {
    /// The manifest at that URL.
    Manifest(String),
    /// The digest on the command line.
    Digest,
    /// The file of checksums at that URL.
    Sums(String),
    /// The torrent of that info-hash, by SHA-1.
    Torrent(String),
    /// Nobody.
    Nobody,
}

/// What one source has sent.
#[derive(Debug, Serialize)]
pub(super) struct Sent {
    pub(super) source: String,
    pub(super) kind: SourceKind,
    pub(super) bytes: u64,
    /// Damaged chunks that came from it, when it is a peer.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) refused: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SourceKind {
    Mirror,
    /// Another machine.
    Peer,
    /// A file that was here before.
    Local,
}

/// What came of unpacking.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Unpacked {
    pub(super) size: u64,
    pub(super) digest: Digest,
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// Removes the file of an earlier run.
pub(super) fn withdraw(done_file: Option<&Path>) -> io::Result<()> {
    match done_file.map(std::fs::remove_file) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::other(format!("{}: {error}", done_file.unwrap_or(Path::new("")).display())))
        }
        _ => Ok(()),
    }
}

/// Makes the file, in one step.
pub(super) fn announce(done_file: Option<&Path>) -> io::Result<()> {
    let Some(path) = done_file else { return Ok(()) };
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let make = || {
        File::create(&unfinished)?.sync_all()?;
        std::fs::rename(&unfinished, path)
    };
    make().map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}
