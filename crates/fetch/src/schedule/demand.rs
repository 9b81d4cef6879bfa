//! Chunks that somebody waits for, and the order in which the others are preferred.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use super::choose::SPARING;
use super::{Chunk, Mirrors, Ranges, Scheduler, SourceId};

/// Requests for what somebody waits for run beside the others, so many at one source: a reader must not
/// wait until a request of megabytes is through.
const BESIDE: u32 = 2;

/// A chunk before which a request still has so many others to bring is asked for once more.
const FAR: usize = 4;

/// While peers give enough, they have so long to be asked for a chunk that somebody waits for.
const GRACE: Duration = Duration::from_millis(100);

/// And, once asked, so long to bring it.
const OVERDUE: Duration = Duration::from_secs(1);

/// A mirror beside which there are others has as long, or the time in which it usually sends so many chunks.
const USUAL: f64 = 3.0;

/// What comes before the rest.
#[derive(Default)]
pub(super) struct Wants {
    /// Somebody waits for these. The first comes first.
    demanded: VecDeque<u32>,
    /// Since when.
    since: BTreeMap<u32, Duration>,
    order: Vec<u32>,
    /// No chunk of `order` before this one is missing.
    cursor: usize,
    /// What is neither demanded nor in `order` is not asked for.
    pub(super) held: bool,
}

impl Wants {
    /// Each chunk is taken in once.
    pub(super) fn demand(&mut self, now: Duration, chunks: impl Iterator<Item = u32>) {
        for chunk in chunks {
            if let Entry::Vacant(new) = self.since.entry(chunk) {
                new.insert(now);
                self.demanded.push_back(chunk);
            }
        }
    }

    fn trim(&mut self, stored: impl Fn(u32) -> bool) {
        while let Some(first) = self.demanded.front().filter(|chunk| stored(**chunk)) {
            self.since.remove(first);
            self.demanded.pop_front();
        }
    }

    pub(super) fn prefer(&mut self, chunks: impl Iterator<Item = u32>) {
        self.order = chunks.collect();
        self.cursor = 0;
    }

    /// A chunk is missing again.
    pub(super) fn reopened(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn advance(&mut self, missing: impl Fn(u32) -> bool) {
        while self.order.get(self.cursor).is_some_and(|chunk| !missing(*chunk)) {
            self.cursor += 1;
        }
    }

    /// Whether one of the chunks that are `missing` is demanded or preferred.
    pub(super) fn is_wanting(&self, missing: impl Fn(u32) -> bool) -> bool {
        self.demanded.iter().copied().chain(self.preferred()).any(missing)
    }

    pub(super) fn preferred(&self) -> impl Iterator<Item = u32> + '_ {
        self.order.get(self.cursor..).unwrap_or_default().iter().copied()
    }

    /// How many chunks of the order follow each other from `start` on, as they do in the file; none when
    /// the order has come to its end.
    pub(super) fn run(&self, start: u32) -> Option<u32> {
        let rest = self.order.get(self.cursor..).filter(|rest| !rest.is_empty())?;
        let from = rest.iter().position(|chunk| *chunk == start)?;
        let run = rest.iter().skip(from).zip(start..).take_while(|(chunk, next)| *chunk == next);
        u32::try_from(run.count()).ok()
    }
}

impl Scheduler {
    /// A chunk that somebody waits for and that should be asked for now, and of whom.
    pub(super) fn choose_demanded(&mut self, now: Duration) -> Option<(SourceId, Range<u32>)> {
        let chunks = &self.chunks;
        self.wants.trim(|chunk| chunks.get(chunk as usize) == Some(&Chunk::Stored));
        if !(0..self.lanes.len()).any(|at| self.has_room(SourceId(at))) {
            return None;
        }
        self.wants.demanded.iter().copied().filter(|chunk| self.is_overdue(now, *chunk)).find_map(|chunk| {
            let held_up = |at: &SourceId| self.holder(chunk) == Some(*at) && self.before(chunk) < FAR;
            let sources = self.by_load().into_iter().map(SourceId);
            let source = sources.into_iter().find(|at| self.takes(*at, chunk) && !held_up(at))?;
            Some((source, chunk..self.end_of_demand(now, source, chunk)))
        })
    }

    /// When a chunk that somebody waits for and that peers have is asked of a mirror.
    pub(super) fn next_demand(&self, now: Duration) -> Option<Duration> {
        let due = self.wants.since.iter().filter_map(|(chunk, since)| match self.chunk(*chunk)? {
            Chunk::Missing => Some(*since + GRACE),
            Chunk::Taken => Some(*since + OVERDUE),
            Chunk::Requested(_) => self.late_from(*chunk, *since),
            _ => None,
        });
        due.filter(|due| *due > now).min()
    }

    /// Whether somebody waits for `chunk`, and whoever has been asked for it lets him wait.
    pub(super) fn is_overdue(&self, now: Duration, chunk: u32) -> bool {
        let Some(since) = self.wants.since.get(&chunk).copied() else { return false };
        match self.chunk(chunk) {
            Some(Chunk::Missing) => self.mirrors == Mirrors::Free || now >= since + GRACE,
            Some(Chunk::Taken) => now >= since + OVERDUE,
            Some(Chunk::Requested(_)) => {
                self.before(chunk) >= FAR || self.late_from(chunk, since).is_some_and(|late| now >= late)
            }
            _ => false,
        }
    }

    /// How many chunks its request brings before `chunk`.
    fn before(&self, chunk: u32) -> usize {
        let Some(Chunk::Requested(id)) = self.chunk(chunk) else { return 0 };
        let start = self.requests.get(&id).map_or(chunk, |request| request.span.start);
        (start..chunk).filter(|other| self.wants(id, *other)).count()
    }

    /// Who has been asked for `chunk`.
    fn holder(&self, chunk: u32) -> Option<SourceId> {
        let Some(Chunk::Requested(id)) = self.chunk(chunk) else { return None };
        self.requests.get(&id).map(|request| request.source)
    }

    /// When `chunk`, for which somebody waits `since` then, is asked of another because who has been asked sends
    /// nothing, though he usually does.
    fn late_from(&self, chunk: u32, since: Duration) -> Option<Duration> {
        let Some(Chunk::Requested(id)) = self.chunk(chunk) else { return None };
        let request = self.requests.get(&id).filter(|_| self.lanes.len() > 1)?;
        let meter = &self.lanes.get(request.source.0)?.meter;
        let usual = meter.rate().map_or(0.0, |rate| USUAL / rate);
        let patience = OVERDUE.max(Duration::try_from_secs_f64(usual).unwrap_or(OVERDUE));
        Some(meter.since().max(request.begun).max(since) + patience)
    }

    /// Whether a mirror has been asked for something that somebody waits for, and has not sent it yet.
    pub(super) fn sends_demanded(&self) -> bool {
        let waited_for = self.wants.since.keys();
        waited_for.into_iter().any(|chunk| matches!(self.chunk(*chunk), Some(Chunk::Requested(_))))
    }

    fn takes(&self, source: SourceId, chunk: u32) -> bool {
        self.has_room(source) && self.may_send(source, chunk)
    }

    fn has_room(&self, source: SourceId) -> bool {
        self.lanes.get(source.0).is_some_and(|lane| {
            let ranges = lane.ranges != Some(Ranges::Ignored) || lane.in_flight == 0;
            let most = lane.capacity(self.policy.in_flight + BESIDE);
            lane.is_ready() && ranges && lane.in_flight < most
        })
    }

    /// The end of a short run of chunks from `start` on for which somebody waits.
    fn end_of_demand(&self, now: Duration, source: SourceId, start: u32) -> u32 {
        if self.lanes.get(source.0).is_some_and(|lane| lane.ranges == Some(Ranges::Ignored)) {
            return u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        }
        let longest = start.saturating_add(SPARING.min(self.policy.span.max(1)));
        let goes_on = |chunk: &u32| self.is_overdue(now, *chunk) && self.may_send(source, *chunk);
        (start + 1..longest).find(|chunk| !goes_on(chunk)).unwrap_or(longest)
    }
}
