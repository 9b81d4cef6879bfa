//! Chunks that are verified on worker threads, and what follows from the verdict.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::download::{Download, Sender};
use crate::error::{BadChunk, Cause, Error, Failure};
use crate::layout::ChunkDigest;
use crate::options::Notice;
use crate::schedule::{Event, Scheduler};
use crate::verify::{Verdict, verify};

/// A chunk that a worker has looked at.
pub(super) struct Judged {
    chunk: u32,
    from: Sender,
    verdict: Verdict,
}

impl Download<'_> {
    /// Hands a chunk to a worker thread.
    pub(super) fn judge(&self, chunk: u32, from: Sender, pieces: Vec<Bytes>, judges: &mut JoinSet<Judged>) {
        let (layout, store) = (self.layout.clone(), self.store.clone());
        judges.spawn_blocking(move || {
            let verdict = verify(&layout, chunk, &pieces, &*store);
            Judged { chunk, from, verdict }
        });
    }

    pub(super) fn judged(&mut self, scheduler: &mut Scheduler, judged: Judged) -> Result<(), Error> {
        let Judged { chunk, from, verdict } = judged;
        match verdict {
            Verdict::Stored => self.keep(scheduler, chunk, from),
            Verdict::Refused(found) => self.refuse(scheduler, chunk, from, found),
            Verdict::Store(source) => return Err(self.store_error(self.layout.range(chunk).start, source)),
        }
        Ok(())
    }

    fn keep(&mut self, scheduler: &mut Scheduler, chunk: u32, from: Sender) {
        self.moved = self.now();
        self.damaged.remove(&chunk);
        let new = !scheduler.is_stored(chunk);
        let (event, peer) = match from {
            Sender::Source(_) => (Event::Stored { chunk }, None),
            Sender::Peer(peer) => (Event::Given { chunk }, Some(peer)),
        };
        scheduler.handle(self.now(), event);
        if let Some(hub) = &mut self.hub {
            hub.stored(chunk, peer);
        }
        // A chunk that was waited for may have been asked of two.
        if !new {
            return;
        }
        let range = self.layout.range(chunk);
        let length = range.end - range.start;
        self.progress.stored += length;
        match from {
            Sender::Source(running) => {
                if let Some(bytes) = self.by_source.get_mut(running.source.0) {
                    *bytes += length;
                }
                if let Some(sender) = self.senders.get_mut(chunk as usize) {
                    *sender = Some(running.source);
                }
            }
            Sender::Peer(_) => self.progress.from_peers += length,
        }
        if let Some(handle) = &self.handle {
            handle.stored(chunk);
        }
        self.tell_progress();
    }

    fn refuse(&mut self, scheduler: &mut Scheduler, chunk: u32, from: Sender, found: ChunkDigest) {
        self.progress.refused += 1;
        let failure = self.damaged(chunk, from, found);
        let retry_in = match from {
            Sender::Source(running) => {
                scheduler.handle(self.now(), Event::Refused { chunk });
                if let Some(hub) = &mut self.hub {
                    hub.mirror(chunk, false);
                }
                scheduler.retry_in(self.now(), running.source)
            }
            // The hub says when it is asked for something else.
            Sender::Peer(peer) => {
                if let Some(hub) = &mut self.hub {
                    hub.refused(chunk, peer);
                }
                Some(Duration::ZERO)
            }
        };
        (self.observe)(Notice::Failed { failure: &failure, retry_in });
        self.damaged.entry(chunk).or_default().push(failure);
    }

    fn damaged(&self, index: u32, from: Sender, found: ChunkDigest) -> Failure {
        let range = self.layout.range(index);
        let (name, address) = match from {
            Sender::Source(running) => {
                let source = self.sources.get(running.source.0);
                (source.map_or("", |source| source.name()).to_owned(), running.address)
            }
            Sender::Peer(peer) => (self.hub.as_ref().map_or(String::new(), |hub| hub.name(peer)), None),
        };
        // The layout has a digest for every chunk it has a range for.
        let expected = self.layout.digest(index).unwrap_or(found);
        Failure {
            source_name: name.into(),
            address,
            offset: Some(range.start),
            cause: Cause::Corrupt(Box::new(BadChunk { index, range, expected, found })),
        }
    }
}
