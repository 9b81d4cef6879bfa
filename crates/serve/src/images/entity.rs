//! What can be fetched: a representation in the sense of RFC 9110 section 3.2.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

/// Bytes with the header fields that describe them.
#[derive(Debug, Clone)]
pub struct Entity {
    /// The strong validator, with its quotes.
    pub etag: String,
    /// When the bytes last changed.
    pub modified: SystemTime,
    /// The exact media type: firmware compares the text.
    pub content_type: &'static str,
    /// The bytes.
    pub body: Body,
}

/// Where the bytes are.
#[derive(Debug, Clone)]
pub enum Body {
    /// In memory: small files.
    Memory(Bytes),
    /// A piece of an open file, which the kernel sends without a copy.
    File {
        /// The file: held open, so that a replaced image does not change in mid-transfer.
        file: Arc<File>,
        /// Where the piece begins in it, in bytes.
        offset: u64,
        /// Bytes.
        length: u64,
    },
}

impl Entity {
    /// Bytes of the whole representation.
    pub fn length(&self) -> u64 {
        match &self.body {
            Body::Memory(bytes) => bytes.len() as u64,
            Body::File { length, .. } => *length,
        }
    }
}

/// An artifact that is no longer what its manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file has {found} bytes on the server's disk, {needed} are needed: copy the image again")]
pub struct CutShort {
    /// Bytes of the file now.
    pub found: u64,
    /// Bytes up to the end of what is served of it.
    pub needed: u64,
}

impl Body {
    /// Looks whether the file still holds all that is served of it.
    pub fn check(&self) -> std::io::Result<()> {
        let Self::File { file, offset, length } = self else { return Ok(()) };
        let (found, needed) = (file.metadata()?.len(), offset.saturating_add(*length));
        if found < needed { Err(std::io::Error::other(CutShort { found, needed })) } else { Ok(()) }
    }
}

/// The media type of a file by its extension. UEFI HTTP Boot takes `application/efi` for a program and
/// the two `vnd.efi` types (UEFI 2.10 section 24.7.3) for RAM disks, each without parameters.
pub fn content_type(file: &str) -> &'static str {
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("efi") => "application/efi",
        Some("iso") => "application/vnd.efi-iso",
        Some("torrent") => "application/x-bittorrent",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}
