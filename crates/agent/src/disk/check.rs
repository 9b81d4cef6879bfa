//! Whether what lies in the cache is still what was written there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use bootwright_image::Digest;

use super::cache::Kept;
use super::device::Device;

/// More threads than that wait for the disk, not for SHA-256.
const MAX_THREADS: usize = 4;

/// The chunks of `kept` that have other digests than the manifest says, or cannot be read, in order. Reads all of it.
pub fn damaged(device: &Device, kept: &Kept) -> Vec<u32> {
    let (next, found) = (AtomicU32::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffer = Vec::new();
                loop {
                    let chunk = next.fetch_add(1, Ordering::Relaxed);
                    match is_right(device, kept, chunk, &mut buffer) {
                        Some(true) => {}
                        Some(false) => found.lock().unwrap_or_else(PoisonError::into_inner).push(chunk),
                        None => break,
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_unstable();
    found
}

/// `None` past the last chunk.
fn is_right(device: &Device, kept: &Kept, chunk: u32, buffer: &mut Vec<u8>) -> Option<bool> {
    let range = kept.manifest.chunks.range(chunk as usize, kept.manifest.size)?;
    let expected = kept.manifest.chunks.sha256.get(chunk as usize)?;
    buffer.resize(usize::try_from(range.end - range.start).ok()?, 0);
    let read = device.read(kept.generation.offset + range.start, buffer);
    Some(read.is_ok() && Digest::of(buffer) == *expected)
}
