//! Which chunk is asked of whom, and when: a state machine without I/O.
//!
//! The [`Scheduler`] is told what happened ([`Event`]) and asked what to do ([`Scheduler::poll`]). It
//! reads no clock: the time, counted from any fixed moment, is an argument. So the same code runs a real
//! download, a property test and a simulation of a whole fleet, and a seed makes it repeatable.
//!
//! A request asks one source for a *span*: a run of chunks that nobody else is fetching, in file order.
//! A chunk goes from missing to requested to arrived to stored; whatever goes wrong makes it missing
//! again, so that each chunk is stored exactly once.
//!
//! Rules, in the order in which they decide:
//!
//! 0. A chunk that somebody [waits for](Scheduler::demand) is asked for at once, beside what runs. It is
//!    taken back from a request that has much else to bring first, and from peers that do not bring it.
//! 1. Sources of a lower [priority](SourceInfo::priority) number are asked first; others only when none
//!    of those can take work: all are waiting, dropped, or have sent the very chunk damaged.
//! 2. Until a source has answered once since its last failure, one request is enough to try it.
//! 3. A source that ignores ranges sends everything from the start: it gets one request for all.
//! 4. A source that fails waits ([`Backoff`](crate::Backoff)); without a good chunk in between it is
//!    dropped after [`Retries`](crate::Retries).
//! 5. Peers have a [policy](crate::swarm::policy) of their own; what they have been asked for is left to
//!    them, and they say how much [mirrors](Mirrors) shall do.
//! 6. Of several sources of one priority each is asked for what it sends in a moment, and at the end no more than
//!    its share. One that has nothing left to do takes the end of a slower one's request ([relief]), one of a higher
//!    number only when nothing comes at all; the slower one's is [abandoned](Action::Abandon) when nothing of it is
//!    wanted any more.
//! 7. A source of which another machine says that it is busy is [left alone](Scheduler::hear_busy) for a while, once:
//!    then it is asked before anybody is believed again.
//! 8. A damaged chunk is asked of another source. When the only sources left have damaged it
//!    [`Policy::bad_chunk_limit`] times, the download has failed. A source that damages many chunks is
//!    dropped as long as it is not the last.

mod choose;
mod demand;
mod lane;
mod meter;
mod relief;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::error::Fault;
use demand::Wants;
use lane::{Lane, Standing};
pub use words::{Action, Defeat, Event, Mirrors, Policy, Ranges, RequestId, SourceId, SourceInfo};

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Missing,
    Requested(RequestId),
    /// Peers have been asked for it.
    Taken,
    Arrived(SourceId),
    Stored,
}

struct Request {
    source: SourceId,
    span: Range<u32>,
    /// The lane's count of failures when the request began, see [`Lane::epoch`].
    epoch: u32,
    begun: Duration,
    /// Its end is fetched from another.
    robbed: bool,
}

/// The state of one download.
pub struct Scheduler {
    policy: Policy,
    random: fastrand::Rng,
    chunks: Vec<Chunk>,
    /// Chunks that are not stored yet.
    left: usize,
    /// Chunks that nobody is asked for.
    missing: usize,
    /// No chunk before this one is missing.
    cursor: u32,
    lanes: Vec<Lane>,
    requests: BTreeMap<RequestId, Request>,
    next_request: u64,
    /// Who has sent a chunk damaged, in order.
    bad: BTreeMap<u32, Vec<SourceId>>,
    defeat: Option<Defeat>,
    mirrors: Mirrors,
    wants: Wants,
}

impl Scheduler {
    /// For a file of which `stored[i]` says whether chunk `i` is there already. The same `seed` and the
    /// same events give the same actions.
    pub fn new(policy: Policy, stored: &[bool], sources: &[SourceInfo], seed: u64) -> Self {
        let chunks = stored.iter().map(|stored| if *stored { Chunk::Stored } else { Chunk::Missing });
        let left = stored.iter().filter(|stored| !**stored).count();
        Self {
            policy,
            random: fastrand::Rng::with_seed(seed),
            chunks: chunks.collect(),
            left,
            missing: left,
            cursor: 0,
            lanes: sources.iter().map(|source| Lane::new(source.priority)).collect(),
            requests: BTreeMap::new(),
            next_request: 0,
            bad: BTreeMap::new(),
            defeat: None,
            mirrors: Mirrors::Free,
            wants: Wants::default(),
        }
    }

    /// Whether `request` is the one that shall deliver `chunk`. A source that ignores ranges sends chunks
    /// that nobody wants: they are let go by.
    pub fn wants(&self, request: RequestId, chunk: u32) -> bool {
        self.chunk(chunk) == Some(Chunk::Requested(request))
    }

    /// How long after `now` it is before `source` may be asked again; `None` when it has been dropped.
    pub fn retry_in(&self, now: Duration, source: SourceId) -> Option<Duration> {
        match self.lanes.get(source.0)?.standing {
            Standing::Ready => Some(Duration::ZERO),
            Standing::Waiting(until) => Some(until.saturating_sub(now)),
            Standing::Dropped => None,
        }
    }

    /// Another machine says that `source` asks to be left alone for `wait`. It is, for at most
    /// [`HEARSAY_MAX`](crate::HEARSAY_MAX), unless it sends us something right now; whether that is so.
    pub fn hear_busy(&mut self, now: Duration, source: SourceId, wait: Duration) -> bool {
        let Self { lanes, policy, random, .. } = self;
        lanes.get_mut(source.0).is_some_and(|lane| lane.hear(now, wait, &policy.retry.backoff, random))
    }

    /// From now on mirrors do so much.
    pub fn set_mirrors(&mut self, mirrors: Mirrors) {
        self.mirrors = mirrors;
    }

    /// Whether nobody is asked for `chunk`.
    pub fn is_missing(&self, chunk: u32) -> bool {
        self.chunk(chunk) == Some(Chunk::Missing)
    }

    /// Whether `chunk` is in its place.
    pub fn is_stored(&self, chunk: u32) -> bool {
        self.chunk(chunk) == Some(Chunk::Stored)
    }

    /// From `now` on these chunks are wanted before all others: somebody waits for them.
    pub fn demand(&mut self, now: Duration, chunks: impl IntoIterator<Item = u32>) {
        let count = self.chunks.len();
        self.wants.demand(now, chunks.into_iter().filter(|chunk| (*chunk as usize) < count));
    }

    /// What is not demanded is wanted in this order, and what is not in it comes after that, in the order
    /// of the file. Replaces the order that was given before.
    pub fn prefer(&mut self, chunks: impl IntoIterator<Item = u32>) {
        let count = self.chunks.len();
        self.wants.prefer(chunks.into_iter().filter(|chunk| (*chunk as usize) < count).take(count));
    }

    /// What is neither demanded nor preferred is not asked for any more, or is again.
    pub fn hold(&mut self, held: bool) {
        self.wants.held = held;
    }

    /// Whether that is so.
    pub fn is_held(&self) -> bool {
        self.wants.held
    }

    /// Takes in what happened at `now`. Events of requests or chunks that the scheduler has no reason to
    /// expect change nothing.
    pub fn handle(&mut self, now: Duration, event: Event) {
        match event {
            Event::Answered { request, ranges } => self.answered(request, ranges),
            Event::Arrived { request, chunk } => self.arrived(now, request, chunk),
            Event::Stored { chunk } => self.stored(chunk),
            Event::Refused { chunk } => self.refused(chunk),
            Event::Taken { chunk } => self.exchange(chunk, Chunk::Missing, Chunk::Taken),
            Event::Returned { chunk } => self.exchange(chunk, Chunk::Taken, Chunk::Missing),
            Event::Given { chunk } => {
                // It may have been asked of a mirror meanwhile, because somebody waits for it.
                if self.chunk(chunk).is_some_and(|state| state != Chunk::Stored) {
                    self.set(chunk, Chunk::Stored);
                    self.left -= 1;
                    self.bad.remove(&chunk);
                }
            }
            Event::Ended { request, fault } => self.ended(now, request, fault),
        }
    }

    /// What to do at `now`. Ask until it says [`Action::Wait`].
    pub fn poll(&mut self, now: Duration) -> Action {
        if self.left == 0 {
            return Action::Complete;
        }
        if let Some(defeat) = self.defeat.filter(|defeat| *defeat != Defeat::Exhausted || !self.rests()) {
            return Action::Defeat(defeat);
        }
        self.lanes.iter_mut().for_each(|lane| lane.wake(now));
        if let Some(abandon) = self.abandon(now) {
            return abandon;
        }
        if let Some((source, span)) = self.choose_demanded(now).or_else(|| self.choose()) {
            return self.request(now, source, span);
        }
        if let Some((source, span)) = self.relieve(now) {
            self.rob(&span);
            return self.request(now, source, span);
        }
        let idle = self.requests.is_empty() && !self.chunks.iter().any(|c| matches!(c, Chunk::Arrived(_)));
        let looks = self.next_demand(now).into_iter().chain(self.next_look(now));
        let wake = self.lanes.iter().filter_map(Lane::wakes_at).chain(looks).min();
        let taken = self.chunks.contains(&Chunk::Taken);
        if idle && wake.is_none() && !taken && !self.rests() && self.mirrors == Mirrors::Free {
            self.defeat = Some(Defeat::Exhausted);
            return Action::Defeat(Defeat::Exhausted);
        }
        Action::Wait(wake)
    }

    /// Whether nothing is asked for because nothing is wanted.
    fn rests(&self) -> bool {
        let wanted = || self.wants.is_wanting(|chunk| self.chunk(chunk) == Some(Chunk::Missing));
        self.wants.held && (self.lanes.iter().any(Lane::is_alive) || !wanted())
    }

    fn exchange(&mut self, chunk: u32, from: Chunk, to: Chunk) {
        if self.chunk(chunk) == Some(from) {
            self.set(chunk, to);
        }
    }

    fn answered(&mut self, request: RequestId, ranges: Ranges) {
        let Some(request) = self.requests.get(&request) else { return };
        if let Some(lane) = self.lanes.get_mut(request.source.0) {
            lane.ranges = Some(ranges);
            lane.answered = true;
            lane.hearsay = false;
        }
    }

    fn arrived(&mut self, now: Duration, request: RequestId, chunk: u32) {
        if !self.wants(request, chunk) {
            return;
        }
        if let Some(source) = self.requests.get(&request).map(|request| request.source) {
            self.set(chunk, Chunk::Arrived(source));
            if let Some(lane) = self.lanes.get_mut(source.0) {
                lane.meter.count(now);
            }
        }
    }

    fn stored(&mut self, chunk: u32) {
        let Some(Chunk::Arrived(source)) = self.chunk(chunk) else { return };
        self.set(chunk, Chunk::Stored);
        self.left -= 1;
        if let Some(lane) = self.lanes.get_mut(source.0) {
            lane.failures = 0;
        }
    }

    fn refused(&mut self, chunk: u32) {
        let Some(Chunk::Arrived(source)) = self.chunk(chunk) else { return };
        self.set(chunk, Chunk::Missing);
        let senders = self.bad.entry(chunk).or_default();
        senders.push(source);
        let bad = senders.len() as u64;
        let others = self.lanes.iter().enumerate().filter(|(at, _)| SourceId(*at) != source);
        let last = !others.into_iter().any(|(_, lane)| lane.is_alive());
        if let Some(lane) = self.lanes.get_mut(source.0) {
            lane.bad += 1;
            if lane.bad >= self.policy.bad_source_limit && !last {
                lane.standing = Standing::Dropped;
            }
        }
        if !self.has_fresh_source(chunk) && bad >= u64::from(self.policy.bad_chunk_limit) {
            self.defeat = Some(Defeat::BadChunk(chunk));
        }
    }

    fn ended(&mut self, now: Duration, id: RequestId, fault: Option<Fault>) {
        let Some(request) = self.requests.remove(&id) else { return };
        let mut unfinished = false;
        for chunk in request.span.clone() {
            if self.chunk(chunk) == Some(Chunk::Requested(id)) {
                self.set(chunk, Chunk::Missing);
                unfinished = true;
            }
        }
        let Some(lane) = self.lanes.get_mut(request.source.0) else { return };
        lane.in_flight -= 1;
        // A source that says it is done and is not has failed too.
        let fault = fault.or(unfinished.then_some(Fault::Transient { retry_after: None }));
        if let Some(fault) = fault {
            lane.fail(now, fault, request.epoch, &self.policy.retry, &mut self.random);
        }
    }

    fn request(&mut self, now: Duration, source: SourceId, span: Range<u32>) -> Action {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        for chunk in span.clone() {
            if self.chunk(chunk) == Some(Chunk::Missing) || self.is_overdue(now, chunk) {
                self.set(chunk, Chunk::Requested(request));
            }
        }
        let mut epoch = 0;
        if let Some(lane) = self.lanes.get_mut(source.0) {
            if lane.in_flight == 0 {
                lane.meter.resume(now);
            }
            lane.in_flight += 1;
            epoch = lane.epoch;
        }
        let request_of = Request { source, span: span.clone(), epoch, begun: now, robbed: false };
        self.requests.insert(request, request_of);
        Action::Request { request, source, span }
    }

    fn chunk(&self, chunk: u32) -> Option<Chunk> {
        self.chunks.get(chunk as usize).copied()
    }

    fn set(&mut self, chunk: u32, state: Chunk) {
        if let Some(slot) = self.chunks.get_mut(chunk as usize) {
            let was = std::mem::replace(slot, state);
            self.missing -= usize::from(was == Chunk::Missing);
            self.missing += usize::from(state == Chunk::Missing);
        }
        if state == Chunk::Missing {
            self.cursor = self.cursor.min(chunk);
            self.wants.reopened();
        }
    }
}
