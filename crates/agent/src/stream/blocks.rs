//! Answers to the kernel's reads: from the store, as soon as the chunks are there.
//!
//! Chunks get into the store by [`fetch`](bootwright_fetch::fetch()) alone, which compares each with its digest
//! before; so the kernel is given no byte that nobody vouches for. A read whose chunks are missing demands them and
//! waits; the others go past it.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bootwright_fetch::{Handle, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{Instant, sleep, timeout};

use super::nbd::wire::{Cookie, EINVAL, EIO, MAX_LENGTH, Nonsense, REQUEST, Request, reply};
use super::trace::Trace;

/// Bytes that are copied at once: a read takes no more memory than that.
const PIECE: usize = 256 << 10;

/// Between two attempts of the download, a read asks so often whether the next one has begun.
const BETWEEN: Duration = Duration::from_millis(250);

/// Why the kernel is not answered any more.
#[derive(Debug, thiserror::Error)]
pub enum BlocksError {
    /// The socket.
    #[error("the block device's socket")]
    Socket(#[from] io::Error),
    /// What came through it.
    #[error(transparent)]
    Nonsense(#[from] Nonsense),
}

/// The root as a block device.
pub struct Blocks {
    store: Arc<dyn Store>,
    handle: Handle,
    /// Bytes of the root.
    size: u64,
    /// Bytes of a chunk.
    chunk: u64,
    /// A read that waits longer has failed.
    patience: Duration,
    reads: Mutex<Reads>,
    starved: Notify,
}

struct Reads {
    trace: Trace,
    /// Since when reads wait, in the order in which they came.
    waiting: BTreeMap<u64, Instant>,
    /// When the last one came.
    last: Option<Instant>,
    next: u64,
}

impl Blocks {
    /// Of a root of `size` bytes in chunks of `chunk` bytes, which the download of `handle` puts into `store`.
    pub fn new(store: Arc<dyn Store>, handle: Handle, (size, chunk): (u64, u32), patience: Duration) -> Self {
        let chunk = u64::from(chunk.max(1));
        let count = u32::try_from(size.div_ceil(chunk)).unwrap_or(u32::MAX);
        let reads = Reads { trace: Trace::new(count, chunk), waiting: BTreeMap::new(), last: None, next: 0 };
        Self { store, handle, size, chunk, patience, reads: Mutex::new(reads), starved: Notify::new() }
    }

    /// What was read until now.
    pub fn with_trace<T>(&self, look: impl FnOnce(&Trace) -> T) -> T {
        look(&self.reads().trace)
    }

    /// For how long the oldest of the waiting reads has waited.
    pub fn longest_wait(&self) -> Option<Duration> {
        self.reads().waiting.values().next().map(Instant::elapsed)
    }

    /// For how long no read has come and none has waited; `None` before the first.
    pub fn idle(&self) -> Option<Duration> {
        let reads = self.reads();
        let idle = reads.last.map(|last| last.elapsed());
        if reads.waiting.is_empty() { idle } else { idle.map(|_| Duration::ZERO) }
    }

    /// Waits until a read has failed for want of its chunks.
    pub async fn starved(&self) {
        self.starved.notified().await;
    }

    /// Answers until the kernel says goodbye.
    pub async fn serve(self: Arc<Self>, socket: UnixStream) -> Result<(), BlocksError> {
        let (mut requests, replies) = socket.into_split();
        let replies = Arc::new(AsyncMutex::new(replies));
        let mut bytes = [0; REQUEST];
        loop {
            match requests.read_exact(&mut bytes).await {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let (cookie, offset, length) = match Request::parse(&bytes)? {
                Request::Read { cookie, offset, length } => (cookie, offset, length),
                Request::Disconnect => return Ok(()),
                Request::Other { cookie } => {
                    replies.lock().await.write_all(&reply(cookie, EINVAL)).await?;
                    continue;
                }
            };
            let Some(range) = self.lawful(offset, length) else {
                replies.lock().await.write_all(&reply(cookie, EINVAL)).await?;
                continue;
            };
            if self.is_there(&range) {
                self.note(&range);
                self.give(cookie, range, &replies).await?;
            } else {
                // As many as the kernel has requests under way for a device, 128.
                let (blocks, replies) = (Arc::clone(&self), Arc::clone(&replies));
                tokio::spawn(async move { blocks.give_later(cookie, range, &replies).await });
            }
        }
    }

    /// The bytes that are asked for, when the device has them.
    fn lawful(&self, offset: u64, length: u32) -> Option<Range<u64>> {
        let end = offset.checked_add(u64::from(length))?;
        (length > 0 && length <= MAX_LENGTH && end <= self.size).then_some(offset..end)
    }

    fn chunks(&self, range: &Range<u64>) -> Range<u32> {
        let number = |chunk: u64| u32::try_from(chunk).unwrap_or(u32::MAX);
        number(range.start / self.chunk)..number(range.end.div_ceil(self.chunk))
    }

    fn is_there(&self, range: &Range<u64>) -> bool {
        self.chunks(range).all(|chunk| self.handle.has(chunk))
    }

    /// Puts a read into the trace.
    pub(super) fn note(&self, range: &Range<u64>) {
        let is_there = |chunk| self.handle.has(chunk);
        let mut reads = self.reads();
        reads.last = Some(Instant::now());
        reads.trace.read(self.chunks(range), range.end - range.start, is_there);
    }

    async fn give_later(
        &self,
        cookie: Cookie,
        range: Range<u64>,
        replies: &AsyncMutex<OwnedWriteHalf>,
    ) -> io::Result<()> {
        let chunks = self.chunks(&range);
        let (number, since) = {
            self.note(&range);
            let mut reads = self.reads();
            let (number, now) = (reads.next, Instant::now());
            reads.next += 1;
            reads.waiting.insert(number, now);
            (number, now)
        };
        let came = timeout(self.patience, self.come(chunks)).await;
        {
            let mut reads = self.reads();
            reads.waiting.remove(&number);
            reads.trace.waited(since.elapsed());
        }
        if came.is_err() {
            self.starved.notify_one();
            return replies.lock().await.write_all(&reply(cookie, EIO)).await;
        }
        self.give(cookie, range, replies).await
    }

    /// Waits for chunks, whatever becomes of one attempt to fetch them.
    async fn come(&self, chunks: Range<u32>) {
        loop {
            self.handle.want(chunks.clone());
            match self.handle.wait_for(chunks.clone()).await {
                Ok(()) => return,
                Err(_) => sleep(BETWEEN).await,
            }
        }
    }

    /// Sends what is there. A store that cannot be read any more, which is memory, is the end of the device.
    async fn give(
        &self,
        cookie: Cookie,
        range: Range<u64>,
        replies: &AsyncMutex<OwnedWriteHalf>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; PIECE.min(usize::try_from(range.end - range.start).unwrap_or(PIECE))];
        let mut replies = replies.lock().await;
        replies.write_all(&reply(cookie, 0)).await?;
        let mut at = range.start;
        while at < range.end {
            let now = usize::try_from(range.end - at).unwrap_or(PIECE).min(buffer.len());
            let piece = buffer.get_mut(..now).unwrap_or_default();
            self.store.read_at(at, piece)?;
            replies.write_all(piece).await?;
            at += now as u64;
        }
        Ok(())
    }

    fn reads(&self) -> MutexGuard<'_, Reads> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
