//! From arrived bytes to stored bytes: the digest stands between. Runs on worker threads, so that
//! receiving goes on meanwhile.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bootwright_image::{Chunks, Digest, Digester};
use bytes::Bytes;

use crate::store::Store;

/// The file to be put together: its size and the digest of each chunk.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) size: u64,
    chunks: Arc<Chunks>,
    /// Digest of a whole chunk of zeros, and of the last, shorter one.
    zeros: [Digest; 2],
}

/// How many chunks are verified at a time: one per processor, and one that waits, so that none idles.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from) + 1
}

/// What became of a chunk.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Right and in its place.
    Stored,
    /// Its digest is this one.
    Refused(Digest),
    /// The store failed.
    Store(io::Error),
}

impl Layout {
    pub(crate) fn new(size: u64, chunks: &Chunks) -> Self {
        let last = size % u64::from(chunks.size.max(1));
        let zeros = [zeros(u64::from(chunks.size)), zeros(last)];
        Self { size, chunks: Arc::new(chunks.clone()), zeros }
    }

    /// Number of chunks.
    pub(crate) fn count(&self) -> u32 {
        // At most MAX_CHUNKS.
        self.chunks.sha256.len() as u32
    }

    /// Bytes in every chunk but the last.
    pub(crate) fn chunk(&self) -> u32 {
        self.chunks.size
    }

    /// The bytes of chunk `index`, nothing past the end.
    pub(crate) fn range(&self, index: u32) -> Range<u64> {
        self.chunks.range(index as usize, self.size).unwrap_or(self.size..self.size)
    }

    /// The bytes of a run of chunks.
    pub(crate) fn span(&self, span: &Range<u32>) -> Range<u64> {
        self.range(span.start).start..self.range(span.end.saturating_sub(1)).end
    }

    /// How many chunks `bytes` hold, at least one.
    pub(crate) fn chunks_in(&self, bytes: u64) -> u32 {
        u32::try_from(bytes / u64::from(self.chunks.size.max(1))).unwrap_or(u32::MAX).max(1)
    }

    /// The digest that chunk `index` must have.
    pub(crate) fn digest(&self, index: u32) -> Option<Digest> {
        self.chunks.sha256.get(index as usize).copied()
    }

    /// Whether chunk `index` is nothing but zeros: it needs no source.
    pub(crate) fn is_zero(&self, index: u32) -> bool {
        let range = self.range(index);
        let whole = range.end - range.start == u64::from(self.chunks.size);
        let [full, last] = self.zeros;
        self.digest(index) == Some(if whole { full } else { last })
    }
}

/// The digest of so many zeros.
fn zeros(mut bytes: u64) -> Digest {
    let block = [0; 4096];
    let mut digester = Digester::default();
    while bytes > 0 {
        let now = bytes.min(block.len() as u64) as usize;
        digester.update(block.get(..now).unwrap_or(&block));
        bytes -= now as u64;
    }
    digester.finish()
}

/// Compares `pieces` with the digest of chunk `index`, and writes them only when they are right.
pub(crate) fn verify(layout: &Layout, index: u32, pieces: &[Bytes], store: &dyn Store) -> Verdict {
    let mut digester = Digester::default();
    pieces.iter().for_each(|piece| digester.update(piece));
    let found = digester.finish();
    if layout.digest(index) != Some(found) {
        return Verdict::Refused(found);
    }
    match store.write_at(layout.range(index).start, pieces) {
        Ok(()) => Verdict::Stored,
        Err(error) => Verdict::Store(error),
    }
}

/// Whether chunk `index` is there from an earlier attempt; a chunk of zeros is made so.
pub(crate) fn is_there(layout: &Layout, index: u32, store: &dyn Store) -> io::Result<bool> {
    let range = layout.range(index);
    if layout.is_zero(index) {
        store.write_zeros(range)?;
        return Ok(true);
    }
    if store.is_hole(range.clone())? {
        return Ok(false);
    }
    let mut bytes = vec![0; (range.end - range.start) as usize];
    store.read_at(range.start, &mut bytes)?;
    Ok(layout.digest(index) == Some(Digest::of(&bytes)))
}
