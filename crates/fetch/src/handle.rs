//! Talking to a download while it runs: what is wanted first, and what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bootwright_image::chunks::MAX_CHUNKS;
use tokio::sync::{Notify, oneshot};

use crate::swarm::Bits;

/// A way to talk to a download that runs: say which chunks are wanted now, and learn when they are there.
///
/// It is made before the download and given to it in [`Options::handle`](crate::Options::handle); clones of
/// it go to whoever reads the file while it arrives, on any thread. Chunks come in this order:
///
/// 1. those that were [demanded](Handle::want): at once, beside all that runs;
/// 2. those of the [preferred order](Handle::prefer), such as the order in which an earlier boot read them;
/// 3. the rest, in the order of the file from mirrors and the rarest first from peers, unless it is [held](Handle::hold).
///
/// What is demanded before the download has begun, or between two attempts, is not lost. One handle is for
/// one download at a time. It holds a few bytes for each chunk, at most.
///
/// ```no_run
/// # async fn example(mut options: bootwright_fetch::Options) -> Result<(), bootwright_fetch::Ended> {
/// let handle = bootwright_fetch::Handle::new();
/// options.handle = Some(handle.clone());
/// // A task runs fetch() with these options; meanwhile a reader says:
/// handle.want(40..44);
/// handle.wait_for(40..44).await?;
/// // Chunks 40 to 43 are verified and can be read from the store.
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// A chunk will not come from this download: it has failed or was dropped, or the file has no such chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the download has ended without chunk {0}")]
pub struct Ended(pub u32);

/// How far a download is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// It has not begun to ask, or looks at what an earlier attempt left.
    #[default]
    Waiting,
    /// It runs.
    Running,
    /// Every chunk is there.
    Complete,
    /// It has failed, or was dropped before it was complete.
    Failed,
}

/// What [`Handle::state`] tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HandleState {
    /// How far it is.
    pub phase: Phase,
    /// Chunks that are verified and in their place.
    pub stored: u32,
    /// Chunks of the file; 0 while the download has not begun.
    pub chunks: u32,
    /// Whether what nobody wants is [held](Handle::hold).
    pub held: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was said that the driver has not heard yet.
    said: Notify,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    stored: Option<Bits>,
    /// Demanded and not there; indices below [`MAX_CHUNKS`].
    demanded: BTreeSet<u32>,
    /// Of those, what the driver has not heard of.
    fresh: Vec<u32>,
    order: Vec<u32>,
    /// The driver has not heard of `order`.
    reordered: bool,
    /// What is neither demanded nor in `order` is not asked for.
    held: bool,
    /// Who waits for which chunk.
    waiting: BTreeMap<u32, Vec<oneshot::Sender<()>>>,
}

impl State {
    fn has(&self, chunk: u32) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.has(chunk))
    }

    /// Whether `chunk` can still come.
    fn may_come(&self, chunk: u32) -> bool {
        let known = self.stored.as_ref().is_none_or(|stored| chunk < stored.len());
        known && (chunk as usize) < MAX_CHUNKS && !matches!(self.phase, Phase::Complete | Phase::Failed)
    }
}

impl Handle {
    /// For a download that is to begin.
    pub fn new() -> Self {
        Self::default()
    }

    /// These chunks are wanted before all others: somebody waits for them. They stay so until they are
    /// there. Costs nothing for what is there or was demanded before.
    pub fn want(&self, chunks: impl IntoIterator<Item = u32>) {
        let mut state = self.lock();
        let mut news = false;
        for chunk in chunks.into_iter().take_while(|chunk| (*chunk as usize) < MAX_CHUNKS) {
            if !state.has(chunk) && state.demanded.insert(chunk) {
                state.fresh.push(chunk);
                news = true;
            }
        }
        drop(state);
        if news {
            self.shared.said.notify_one();
        }
    }

    /// What nobody waits for is to come in this order, and what is not in it after that. Replaces the order
    /// that was given before: for reading ahead as well as for the trace of an earlier boot.
    pub fn prefer(&self, chunks: impl IntoIterator<Item = u32>) {
        let mut state = self.lock();
        state.order = chunks.into_iter().take(MAX_CHUNKS).collect();
        state.reordered = true;
        drop(state);
        self.shared.said.notify_one();
    }

    /// What is neither demanded nor preferred is not asked for any more, or is again: for a reader who needs the link
    /// and the processors for what he reads. What is under way goes on. A download that is held and that nothing is
    /// wanted of waits.
    pub fn hold(&self, held: bool) {
        let mut state = self.lock();
        let news = std::mem::replace(&mut state.held, held) != held;
        drop(state);
        if news {
            self.shared.said.notify_one();
        }
    }

    /// Waits until all of `chunks` are verified and in their place. Does not demand them.
    ///
    /// # Errors
    /// [`Ended`], when one of them will not come from the download that runs. A later attempt with the same
    /// handle may bring it.
    pub async fn wait_for(&self, chunks: Range<u32>) -> Result<(), Ended> {
        for chunk in chunks {
            while let Some(stored) = self.ticket(chunk)? {
                // An error says that the download has ended: the next ticket tells how.
                let _ = stored.await;
            }
        }
        Ok(())
    }

    /// Whether `chunk` is verified and in its place.
    pub fn has(&self, chunk: u32) -> bool {
        self.lock().has(chunk)
    }

    /// How far the download is.
    pub fn state(&self) -> HandleState {
        let state = self.lock();
        let stored = state.stored.as_ref();
        HandleState {
            phase: state.phase,
            stored: stored.map_or(0, Bits::count),
            chunks: stored.map_or(0, Bits::len),
            held: state.held,
        }
    }

    /// What tells when `chunk` is there; `None` when it is.
    fn ticket(&self, chunk: u32) -> Result<Option<oneshot::Receiver<()>>, Ended> {
        let mut state = self.lock();
        if state.has(chunk) {
            return Ok(None);
        }
        if !state.may_come(chunk) {
            return Err(Ended(chunk));
        }
        let (tell, told) = oneshot::channel();
        let waiting = state.waiting.entry(chunk).or_default();
        // Those who have given up waiting.
        waiting.retain(|waiting| !waiting.is_closed());
        waiting.push(tell);
        Ok(Some(told))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A download begins.
    pub(crate) fn attach(&self) -> Attached {
        let mut state = self.lock();
        state.phase = Phase::Waiting;
        state.stored = None;
        Attached(self.clone())
    }
}

/// The driver's end. When it is dropped before the download is complete, those who wait are told.
pub(crate) struct Attached(Handle);

/// What a handle has said.
pub(crate) struct Orders {
    pub(crate) demanded: Vec<u32>,
    pub(crate) order: Option<Vec<u32>>,
    pub(crate) held: bool,
}

impl Attached {
    /// What is there from the beginning is known. Everything that was said before is news again.
    pub(crate) fn begin(&self, stored: Bits) {
        let mut state = self.0.lock();
        state.phase = Phase::Running;
        state.demanded.retain(|chunk| !stored.has(*chunk));
        state.fresh = state.demanded.iter().copied().collect();
        state.reordered = !state.order.is_empty();
        state.waiting.retain(|chunk, _| !stored.has(*chunk) && *chunk < stored.len());
        state.stored = Some(stored);
        drop(state);
        self.0.shared.said.notify_one();
    }

    /// Waits until something is said.
    pub(crate) async fn orders(&self) -> Orders {
        self.0.shared.said.notified().await;
        let mut state = self.0.lock();
        let demanded = std::mem::take(&mut state.fresh);
        let order = std::mem::take(&mut state.reordered).then(|| state.order.clone());
        Orders { demanded, order, held: state.held }
    }

    pub(crate) fn stored(&self, chunk: u32) {
        let mut state = self.0.lock();
        if let Some(stored) = &mut state.stored {
            stored.insert(chunk);
        }
        state.demanded.remove(&chunk);
        for waiting in state.waiting.remove(&chunk).into_iter().flatten() {
            let _ = waiting.send(());
        }
    }

    pub(crate) fn complete(&self) {
        self.end(Phase::Complete);
    }

    fn end(&self, phase: Phase) {
        let mut state = self.0.lock();
        state.phase = phase;
        state.waiting.clear();
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let ended = self.0.lock().phase == Phase::Complete;
        if !ended {
            self.end(Phase::Failed);
        }
    }
}

#[cfg(test)]
mod tests;
