//! Which source is asked next, and for what, when nobody waits.

use std::ops::Range;

use super::lane::Lane;
use super::{Chunk, Mirrors, Ranges, Scheduler, SourceId};

/// Chunks in a request to a mirror that peers do not need much of.
pub(super) const SPARING: u32 = 4;

impl Scheduler {
    /// The source that shall be asked next, and for what.
    ///
    /// Nothing new is asked for while a mirror sends what somebody waits for: on a slow link, what nobody waits
    /// for would only make that take longer.
    pub(super) fn choose(&mut self) -> Option<(SourceId, Range<u32>)> {
        self.advance();
        if self.sends_demanded() {
            return None;
        }
        let most = match self.mirrors {
            Mirrors::Free => self.policy.in_flight,
            Mirrors::Sparing if self.requests.is_empty() => 1,
            Mirrors::Sparing | Mirrors::Held => return None,
        };
        let mut busy = None;
        for at in self.by_load() {
            let from = self.first(SourceId(at));
            let lane = self.lanes.get(at)?;
            if busy.is_some_and(|priority| priority < lane.priority) {
                return None;
            }
            let span = from.filter(|_| lane.is_ready()).and_then(|from| self.span(SourceId(at), from));
            let Some(span) = span else { continue };
            if lane.in_flight < lane.capacity(most) {
                return Some((SourceId(at), span));
            }
            busy = Some(lane.priority);
        }
        None
    }

    /// The sources in the order in which they are considered: of those with as much to do, the fastest first.
    pub(super) fn by_load(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.lanes.len()).collect();
        let load = |at: &usize| self.lanes.get(*at).map(|lane| (lane.priority, lane.in_flight));
        let rate = |at: &usize| self.lanes.get(*at).and_then(|lane| lane.meter.rate()).unwrap_or(0.0);
        order.sort_by(|a, b| load(a).cmp(&load(b)).then(rate(b).total_cmp(&rate(a))));
        order
    }

    /// The chunk that `source` is asked for next: one of the preferred, the first, or any.
    fn first(&mut self, source: SourceId) -> Option<u32> {
        let end = u32::try_from(self.chunks.len()).ok()?;
        let from = match self.mirrors {
            Mirrors::Sparing => self.random.u32(self.cursor..end.max(self.cursor + 1)),
            _ => self.cursor,
        };
        let chunks = &self.chunks;
        self.wants.advance(|chunk| chunks.get(chunk as usize) == Some(&Chunk::Missing));
        let open = |chunk: &u32| self.is_open(source, *chunk);
        let preferred = self.wants.preferred().find(open);
        let rest = || (from..end).chain(self.cursor..from).find(open);
        preferred.or_else(|| if self.wants.held { None } else { rest() })
    }

    pub(super) fn is_open(&self, source: SourceId, chunk: u32) -> bool {
        self.chunk(chunk) == Some(Chunk::Missing) && self.may_send(source, chunk)
    }

    /// The run of missing chunks from `start` on that `source` may send. It goes on as the preferred order
    /// does, while there is one.
    fn span(&self, source: SourceId, start: u32) -> Option<Range<u32>> {
        let end = u32::try_from(self.chunks.len()).ok()?;
        if self.lanes.get(source.0)?.ranges == Some(Ranges::Ignored) {
            return Some(self.cursor..end);
        }
        let span = match self.mirrors {
            Mirrors::Free => self.stretch(source),
            Mirrors::Sparing | Mirrors::Held => self.policy.span.min(SPARING),
        };
        let span = self.wants.run(start).map_or(span, |run| span.min(run));
        let longest = end.min(start.saturating_add(span.max(1)));
        let open = |chunk: &u32| self.is_open(source, *chunk);
        let stop = (start..longest).find(|chunk| !open(chunk)).unwrap_or(longest);
        Some(start..stop)
    }

    /// Whether `source` has not damaged `chunk` yet, or nobody is left who has not.
    pub(super) fn may_send(&self, source: SourceId, chunk: u32) -> bool {
        let damaged = self.bad.get(&chunk).is_some_and(|senders| senders.contains(&source));
        !damaged || !self.has_fresh_source(chunk)
    }

    /// Whether a source is left that has not damaged `chunk`.
    pub(super) fn has_fresh_source(&self, chunk: u32) -> bool {
        let senders = self.bad.get(&chunk).map_or(&[][..], Vec::as_slice);
        let fresh = |(at, lane): (usize, &Lane)| lane.is_alive() && !senders.contains(&SourceId(at));
        self.lanes.iter().enumerate().any(fresh)
    }

    /// Moves the cursor to the first missing chunk.
    fn advance(&mut self) {
        while self.chunk(self.cursor).is_some_and(|state| state != Chunk::Missing) {
            self.cursor += 1;
        }
    }
}
