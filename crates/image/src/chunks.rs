//! An artifact cut into equal pieces, each with its digests.
//!
//! A chunk is the unit of fetching and of verifying, and equals a BitTorrent piece (BEP 3): beside our
//! SHA-256 it carries the SHA-1 that a torrent needs. SHA-1 alone is never trusted.

use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

use crate::digest::{Digest, Digester};

/// The usual size of a chunk in bytes: small enough to be fetched again without regret, large enough
/// that a request costs little.
pub const CHUNK: u32 = 256 << 10;

/// No artifact has more chunks than this: it bounds manifest, bitfields and scheduler.
pub const MAX_CHUNKS: usize = 32_768;

/// The largest chunk in bytes: what a machine must hold in memory before it can check it.
pub const MAX_CHUNK: u32 = 64 << 20;

/// The same for a root that is read while it comes: a boot reads pieces of tens of KiB all over it, and waits for the
/// whole chunk of each.
pub const STREAMED_CHUNK: u32 = 64 << 10;

/// The size of chunks, in bytes, for an artifact of `size` bytes: 256 KiB, doubled until there are at
/// most [`MAX_CHUNKS`].
pub fn size_for(size: u64) -> u32 {
    size_from(CHUNK, size)
}

/// The same from another size on, which is a power of two, such as [`STREAMED_CHUNK`].
pub fn size_from(smallest: u32, size: u64) -> u32 {
    let mut chunk = smallest;
    while size.div_ceil(u64::from(chunk)) > MAX_CHUNKS as u64 && chunk < MAX_CHUNK {
        chunk *= 2;
    }
    chunk
}

/// The digests of an artifact's chunks, in order. The last chunk may be shorter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunks {
    /// Bytes in every chunk but the last.
    pub size: u32,
    /// SHA-256 of each chunk.
    pub sha256: Vec<Digest>,
    /// SHA-1 of each chunk, the piece hash of BEP 3.
    #[serde(with = "hex_list")]
    pub sha1: Vec<[u8; 20]>,
}

impl Chunks {
    /// The byte range of chunk `index` in an artifact of `total` bytes; `None` past its end.
    pub fn range(&self, index: usize, total: u64) -> Option<std::ops::Range<u64>> {
        let start = u64::try_from(index).ok()?.checked_mul(u64::from(self.size))?;
        (start < total).then(|| start..total.min(start + u64::from(self.size)))
    }

    /// Whether there are as many chunks, of a lawful size, as `total` bytes need.
    pub fn fit(&self, total: u64) -> bool {
        self.size.is_power_of_two()
            && self.size <= MAX_CHUNK
            && total.div_ceil(u64::from(self.size)) == self.sha256.len() as u64
            && self.sha256.len() <= MAX_CHUNKS
            && self.sha1.len() == self.sha256.len()
    }
}

/// Digests a stream once: the whole and every chunk.
pub struct ChunkDigester {
    size: u32,
    whole: Digester,
    chunk: Digester,
    sha1: Sha1,
    done: Chunks,
}

impl ChunkDigester {
    /// For chunks of `size` bytes (see [`size_for`]).
    pub fn new(size: u32) -> Self {
        let done = Chunks { size, sha256: Vec::new(), sha1: Vec::new() };
        Self { size, whole: Digester::default(), chunk: Digester::default(), sha1: Sha1::new(), done }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let room = (u64::from(self.size) - self.chunk.bytes()) as usize;
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.chunk.update(now);
            self.sha1.update(now);
            if self.chunk.bytes() == u64::from(self.size) {
                self.close_chunk();
            }
            bytes = rest;
        }
    }

    /// Size in bytes, digest of the whole, digests of the chunks.
    pub fn finish(mut self) -> (u64, Digest, Chunks) {
        if self.chunk.bytes() > 0 {
            self.close_chunk();
        }
        (self.whole.bytes(), self.whole.finish(), self.done)
    }

    fn close_chunk(&mut self) {
        self.done.sha256.push(std::mem::take(&mut self.chunk).finish());
        self.done.sha1.push(self.sha1.finalize_reset().into());
    }
}

impl std::io::Write for ChunkDigester {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

mod hex_list {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(list: &[[u8; 20]], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(hex::encode))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<[u8; 20]>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts
            .iter()
            .map(|text| {
                let mut bytes = [0; 20];
                hex::decode_to_slice(text, &mut bytes).map_err(D::Error::custom)?;
                Ok(bytes)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chunk_grows_so_that_no_artifact_has_too_many() {
        assert_eq!(size_for(0), CHUNK);
        assert_eq!(size_for(8 << 30), CHUNK);
        assert_eq!(size_for((8 << 30) + 1), 2 * CHUNK);
        assert_eq!(size_from(STREAMED_CHUNK, 2 << 30), STREAMED_CHUNK);
        assert_eq!(size_from(STREAMED_CHUNK, (2 << 30) + 1), 2 * STREAMED_CHUNK);
        assert!((1u64 << 40).div_ceil(u64::from(size_for(1 << 40))) <= MAX_CHUNKS as u64);
    }

    proptest! {
        #[test]
        fn the_way_bytes_arrive_does_not_change_the_digests(
            bytes in proptest::collection::vec(any::<u8>(), 0..5000),
            cut in 1usize..700,
        ) {
            let mut pieces = ChunkDigester::new(1024);
            bytes.chunks(cut).for_each(|piece| pieces.update(piece));
            let (size, whole, chunks) = pieces.finish();
            prop_assert_eq!(size, bytes.len() as u64);
            prop_assert_eq!(whole, Digest::of(&bytes));
            prop_assert!(chunks.fit(size));
            let expected: Vec<_> = bytes.chunks(1024).map(Digest::of).collect();
            prop_assert_eq!(chunks.sha256, expected);
        }
    }
}
