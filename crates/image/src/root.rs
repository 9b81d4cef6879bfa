//! `root.json`: what the root file system is, byte by byte.

use serde::{Deserialize, Serialize};

use crate::{Chunks, Digest, MAX_MANIFEST, Verified, Verity};

/// The file system inside `root.img`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootFormat {
    /// squashfs 4.0.
    Squashfs,
    /// EROFS.
    Erofs,
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs, of one device.
    Btrfs,
    /// Whatever it is: a single file that is served to be fetched, not to be booted.
    Opaque,
}

impl RootFormat {
    /// Bytes by which it is told: the superblock of btrfs, the furthest in, begins at 64 KiB.
    pub const HEAD: usize = 0x1_0080;

    /// The name that mount(2) takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Opaque => "opaque",
        }
    }

    /// Tells the format by the superblock: `head` is the first [`HEAD`](Self::HEAD) bytes of the file; with fewer, what
    /// lies further in is not told.
    pub fn detect(head: &[u8]) -> Option<Self> {
        let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
        if at(0, b"hsqs") {
            Some(Self::Squashfs)
        } else if at(1024, &[0xe2, 0xe1, 0xf5, 0xe0]) {
            Some(Self::Erofs)
        } else if at(1024 + 56, &[0x53, 0xef]) {
            Some(Self::Ext4)
        } else if at(0, b"XFSB") {
            Some(Self::Xfs)
        } else if at(0x1_0040, b"_BHRfS_M") {
            Some(Self::Btrfs)
        } else {
            None
        }
    }
}

/// The root manifest. The UKI pins the digest of its serialised form, see [`Pin`](crate::Pin).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootManifest {
    /// Version of this format: 1.
    pub schema: u32,
    /// File name of the root beside this manifest, `root.img`.
    pub file: String,
    /// The file system in it.
    pub format: RootFormat,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the whole file.
    pub digest: Digest,
    /// Digests of its chunks.
    pub chunks: Chunks,
    /// The dm-verity tree at its end, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verity: Option<Verity>,
}

/// Why a root manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum RootManifestError {
    /// Its bytes are not those that were pinned.
    #[error("the root manifest is {found}, the UKI pins {pinned}")]
    Digest {
        /// What the pin says.
        pinned: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// More than [`MAX_MANIFEST`] bytes.
    #[error("the root manifest has {0} bytes, more than {MAX_MANIFEST}")]
    TooLarge(usize),
    /// Not this format.
    #[error("the root manifest is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A schema this program does not know.
    #[error("the root manifest has schema {0}, this program knows 1")]
    Schema(u32),
    /// The list of chunks does not cover the size.
    #[error("the root manifest names {chunks} chunks of {chunk} bytes for {size} bytes")]
    Chunks {
        /// Number of chunks listed.
        chunks: usize,
        /// Bytes per chunk.
        chunk: u32,
        /// Bytes of the root.
        size: u64,
    },
    /// The dm-verity tree is not where a file of that size can have it.
    #[error(
        "the root manifest names a dm-verity tree that a file of {0} bytes cannot hold, or a salt that is none"
    )]
    Verity(u64),
    /// The file name could lead out of the image's directory.
    #[error("the root manifest names the file {0:?}, which is not a plain file name")]
    File(String),
}

impl RootManifest {
    /// The exact bytes of `root.json`, newline at the end.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a manifest and checks it against itself, not against a digest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RootManifestError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(RootManifestError::TooLarge(bytes.len()));
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.schema != 1 {
            return Err(RootManifestError::Schema(manifest.schema));
        }
        if !crate::manifest::is_plain_name(&manifest.file) {
            return Err(RootManifestError::File(manifest.file));
        }
        if !manifest.chunks.fit(manifest.size) {
            return Err(RootManifestError::Chunks {
                chunks: manifest.chunks.sha256.len(),
                chunk: manifest.chunks.size,
                size: manifest.size,
            });
        }
        if manifest.verity.as_ref().is_some_and(|verity| !verity.fits(manifest.size)) {
            return Err(RootManifestError::Verity(manifest.size));
        }
        Ok(manifest)
    }

    /// Reads the manifest whose digest is `pinned`; anything else is refused.
    pub fn verify(bytes: &[u8], pinned: &Digest) -> Result<Verified<Self>, RootManifestError> {
        let found = Digest::of(bytes);
        if found != *pinned {
            return Err(RootManifestError::Digest { pinned: *pinned, found });
        }
        Self::from_bytes(bytes).map(Verified::vouch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> RootManifest {
        let mut digester = crate::chunks::ChunkDigester::new(1024);
        digester.update(&[7; 3000]);
        let (size, digest, chunks) = digester.finish();
        RootManifest {
            schema: 1,
            file: "root.img".into(),
            format: RootFormat::Erofs,
            size,
            digest,
            chunks,
            verity: None,
        }
    }

    #[test]
    fn only_the_pinned_bytes_are_verified() {
        let bytes = sample().to_bytes().unwrap();
        let pin = Digest::of(&bytes);
        assert_eq!(RootManifest::verify(&bytes, &pin).unwrap().into_inner(), sample());
        let mut other = bytes;
        other.push(b' ');
        assert!(matches!(RootManifest::verify(&other, &pin), Err(RootManifestError::Digest { .. })));
    }

    #[test]
    fn a_list_of_chunks_that_does_not_cover_the_size_is_refused() {
        let mut manifest = sample();
        manifest.size += 1024;
        let bytes = manifest.to_bytes().unwrap();
        assert!(matches!(RootManifest::from_bytes(&bytes), Err(RootManifestError::Chunks { .. })));
    }

    #[test]
    fn a_tree_that_the_file_cannot_hold_is_refused() {
        let mut manifest = sample();
        let verity = |data_blocks| {
            Some(Verity { root_hash: Digest::of(b"tree"), salt: "00ff".to_owned(), data_blocks })
        };
        for data_blocks in [0, 1, u64::MAX] {
            manifest.verity = verity(data_blocks);
            let bytes = manifest.to_bytes().unwrap();
            assert!(matches!(RootManifest::from_bytes(&bytes), Err(RootManifestError::Verity(3000))));
        }
        manifest.verity = None;
        assert!(!String::from_utf8(manifest.to_bytes().unwrap()).unwrap().contains("verity"));
    }

    #[test]
    fn a_file_name_that_leaves_the_directory_is_refused() {
        let mut manifest = sample();
        manifest.file = "../root.img".into();
        let bytes = manifest.to_bytes().unwrap();
        assert!(matches!(RootManifest::from_bytes(&bytes), Err(RootManifestError::File(_))));
    }

    #[test]
    fn root_formats_are_told_by_their_superblocks() {
        assert_eq!(RootFormat::detect(b"hsqs"), Some(RootFormat::Squashfs));
        let mut head = vec![0; 2048];
        head[1024..1028].copy_from_slice(&0xe0f5_e1e2u32.to_le_bytes());
        assert_eq!(RootFormat::detect(&head), Some(RootFormat::Erofs));
        assert_eq!(RootFormat::detect(&[0; 2048]), None);
        assert_eq!(RootFormat::detect(b"XFSB"), Some(RootFormat::Xfs));
        let mut head = vec![0; RootFormat::HEAD];
        head[0x1_0040..0x1_0048].copy_from_slice(b"_BHRfS_M");
        assert_eq!(RootFormat::detect(&head), Some(RootFormat::Btrfs));
        assert_eq!(RootFormat::detect(&head[..0x1_0044]), None);
    }
}
