//! From arrived bytes to stored bytes: the digest stands between. Runs on worker threads, so that
//! receiving goes on meanwhile.

use std::io;

use bytes::Bytes;

use crate::layout::{ChunkDigest, Layout, slices};
use crate::store::Store;

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
    Refused(ChunkDigest),
    /// The store failed.
    Store(io::Error),
}

/// Compares `pieces` with the digest of chunk `index`, and writes them only when they are right.
pub(crate) fn verify(layout: &Layout, index: u32, pieces: &[Bytes], store: &dyn Store) -> Verdict {
    if let Err(found) = layout.check(index, slices(pieces)) {
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
    Ok(layout.check(index, [&bytes[..]]).is_ok())
}
