//! The file to be put together: where its chunks lie, and by what digest each is told.
//!
//! A layout is made of something that vouches for the chunks: a verified manifest, by SHA-256, or the torrent
//! of somebody else, by SHA-1; or of nothing, for a plain file that has one digest. Which of the two it was is known to every digest that comes out of it, and only
//! the first can be made for what boots: [`Layout::of`] takes a [`Verified`] manifest.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bootwright_image::chunks::size_for;
use bootwright_image::torrent::Info;
use bootwright_image::{Digest, Digester, RootManifest, Verified};
use bytes::Bytes;
use sha1::{Digest as _, Sha1};

/// The digest of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkDigest {
    /// SHA-256: what a manifest says.
    Sha256(Digest),
    /// SHA-1: what a torrent says (BEP 3). It finds damage; it does not keep out who made the torrent.
    Sha1([u8; 20]),
}

impl ChunkDigest {
    /// Who says what it must be.
    pub(crate) fn said_by(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "manifest",
            Self::Sha1(_) => "torrent",
        }
    }
}

impl fmt::Display for ChunkDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => fmt::Display::fmt(digest, f),
            Self::Sha1(digest) => {
                f.write_str("sha1:")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// The digests of all chunks, of one kind.
#[derive(Debug, Clone)]
enum Digests {
    Sha256(Vec<Digest>),
    Sha1(Arc<Info>),
    /// None: so many parts of a plain file, which has one digest for all of them.
    Unjudged(u32),
}

/// Takes the digest of one chunk.
enum Hasher {
    Sha256(Digester),
    Sha1(Sha1),
}

/// The file to be put together: its size and the digest of each chunk.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) size: u64,
    chunk: u32,
    digests: Digests,
    /// Digest of a whole chunk of zeros, and of the last, shorter one.
    zeros: [Option<ChunkDigest>; 2],
}

impl Layout {
    /// The file that a manifest vouches for.
    pub(crate) fn of(manifest: &Verified<RootManifest>) -> Self {
        let chunks = &manifest.chunks;
        Self::new(manifest.size, chunks.size, Digests::Sha256(chunks.sha256.clone()))
    }

    /// The files of a torrent, laid end to end.
    pub(crate) fn of_torrent(info: &Arc<Info>) -> Self {
        Self::new(info.size(), info.piece_length, Digests::Sha1(info.clone()))
    }

    /// The parts of a plain file. None of them is ever refused: somebody has to judge the whole.
    pub(crate) fn unjudged(size: u64) -> Self {
        let chunk = size_for(size);
        let count = u32::try_from(size.div_ceil(u64::from(chunk))).unwrap_or(u32::MAX);
        Self::new(size, chunk, Digests::Unjudged(count))
    }

    fn new(size: u64, chunk: u32, digests: Digests) -> Self {
        let chunk = chunk.max(1);
        let lengths = [u64::from(chunk), size % u64::from(chunk)];
        let zeros = lengths.map(|bytes| digests.hasher().map(|hasher| zeros(hasher, bytes)));
        Self { size, chunk, digests, zeros }
    }

    /// Number of chunks.
    pub(crate) fn count(&self) -> u32 {
        // At most MAX_CHUNKS of a manifest, MAX_PIECES of a torrent.
        match &self.digests {
            Digests::Sha256(digests) => digests.len() as u32,
            Digests::Sha1(info) => info.pieces.len() as u32,
            Digests::Unjudged(count) => *count,
        }
    }

    /// Bytes in every chunk but the last.
    pub(crate) fn chunk(&self) -> u32 {
        self.chunk
    }

    /// The bytes of chunk `index`, nothing past the end.
    pub(crate) fn range(&self, index: u32) -> Range<u64> {
        let start = u64::from(index) * u64::from(self.chunk);
        let end = start.saturating_add(self.chunk.into()).min(self.size);
        start.min(end)..end
    }

    /// The chunk in which the byte at `offset` lies.
    pub(crate) fn index(&self, offset: u64) -> usize {
        usize::try_from(offset / u64::from(self.chunk)).unwrap_or(usize::MAX)
    }

    /// The bytes of a run of chunks.
    pub(crate) fn span(&self, span: &Range<u32>) -> Range<u64> {
        self.range(span.start).start..self.range(span.end.saturating_sub(1)).end
    }

    /// How many chunks `bytes` hold, at least one.
    pub(crate) fn chunks_in(&self, bytes: u64) -> u32 {
        u32::try_from(bytes / u64::from(self.chunk)).unwrap_or(u32::MAX).max(1)
    }

    /// The digest that chunk `index` must have, when it has one of its own.
    pub(crate) fn digest(&self, index: u32) -> Option<ChunkDigest> {
        let index = index as usize;
        match &self.digests {
            Digests::Sha256(digests) => digests.get(index).copied().map(ChunkDigest::Sha256),
            Digests::Sha1(info) => info.pieces.get(index).copied().map(ChunkDigest::Sha1),
            Digests::Unjudged(_) => None,
        }
    }

    /// Compares `pieces`, one after the other, with the digest of chunk `index`.
    ///
    /// # Errors
    /// The digest that they have instead.
    pub(crate) fn check<'a>(
        &self,
        index: u32,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), ChunkDigest> {
        let Some(mut hasher) = self.digests.hasher() else { return Ok(()) };
        pieces.into_iter().for_each(|piece| hasher.update(piece));
        let found = hasher.finish();
        if self.digest(index) == Some(found) { Ok(()) } else { Err(found) }
    }

    /// Whether chunk `index` is nothing but zeros: it needs no source.
    pub(crate) fn is_zero(&self, index: u32) -> bool {
        let range = self.range(index);
        let whole = range.end - range.start == u64::from(self.chunk);
        let [full, last] = self.zeros;
        self.digest(index).is_some_and(|digest| Some(digest) == if whole { full } else { last })
    }
}

impl Digests {
    fn hasher(&self) -> Option<Hasher> {
        match self {
            Self::Sha256(_) => Some(Hasher::Sha256(Digester::default())),
            Self::Sha1(_) => Some(Hasher::Sha1(Sha1::new())),
            Self::Unjudged(_) => None,
        }
    }
}

impl Hasher {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(digester) => digester.update(bytes),
            Self::Sha1(digester) => digester.update(bytes),
        }
    }

    fn finish(self) -> ChunkDigest {
        match self {
            Self::Sha256(digester) => ChunkDigest::Sha256(digester.finish()),
            Self::Sha1(digester) => ChunkDigest::Sha1(digester.finalize().into()),
        }
    }
}

/// The digest of so many zeros.
fn zeros(mut hasher: Hasher, mut bytes: u64) -> ChunkDigest {
    let block = [0; 4096];
    while bytes > 0 {
        let now = bytes.min(block.len() as u64) as usize;
        hasher.update(block.get(..now).unwrap_or(&block));
        bytes -= now as u64;
    }
    hasher.finish()
}

/// The pieces of a chunk as slices.
pub(crate) fn slices(pieces: &[Bytes]) -> impl Iterator<Item = &[u8]> {
    pieces.iter().map(|piece| &piece[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A torrent of 40 bytes in pieces of 16: the second is zeros.
    fn torrent() -> (Vec<u8>, Arc<Info>) {
        let content = [vec![7; 16], vec![0; 16], vec![8; 8]].concat();
        let pieces: Vec<u8> = content.chunks(16).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
        let mut bytes = b"d6:lengthi40e4:name1:a12:piece lengthi16e6:pieces60:".to_vec();
        bytes.extend([&pieces[..], b"e"].concat());
        (content, Arc::new(Info::from_bytes(&bytes).unwrap()))
    }

    #[test]
    fn the_pieces_of_a_torrent_are_told_by_sha_1() {
        let (content, info) = torrent();
        let layout = Layout::of_torrent(&info);
        assert_eq!((layout.count(), layout.size, layout.chunk()), (3, 40, 16));
        assert_eq!((layout.range(2), layout.range(3), layout.span(&(1..3))), (32..40, 40..40, 16..40));
        for (index, piece) in (0..).zip(content.chunks(16)) {
            layout.check(index, [piece]).unwrap();
            assert_eq!(layout.is_zero(index), index == 1);
        }
        let found = layout.check(0, [&b"other"[..]]).unwrap_err();
        // printf other | sha1sum
        assert_eq!(found.to_string(), "sha1:d0941e68da8f38151ff86a61fc59f7c5cf9fcaa2");
        assert!(layout.check(3, [&b""[..]]).is_err());
    }
}
