//! Load by speed, and the end game: no mirror is given more than it sends in a moment, and who has nothing left to
//! do takes from those who are slow.

use std::ops::Range;
use std::time::Duration;

use super::lane::Lane;
use super::{Action, Chunk, Mirrors, Ranges, RequestId, Scheduler, SourceId};
use crate::error::Fault;

/// Beside other sources, a request is for what its source sends in so long.
const STRETCH: f64 = 2.0;

/// Chunks in the first request to a source that has others beside it: enough to see how fast it is.
const TRIAL: u32 = 4;

/// What comes in less than that is left to the one who was asked.
const WORTH: f64 = 0.5;

/// How often it is looked whether somebody should be relieved.
const LOOK: Duration = Duration::from_millis(250);

/// What a source that has sent nothing yet is taken for, in chunks a second, when another lets us wait.
const UNKNOWN: f64 = 4.0;

/// Beside peers, a mirror from which nothing came for so long, doubled with each failure, is relieved of all,
const STALLED: Duration = Duration::from_secs(4);

/// unless it usually needs as long for so many chunks.
const STALLED_CHUNKS: f64 = 8.0;

/// Doublings of [`STALLED`]: more than a server may take to begin its answer.
const DOUBLINGS: u32 = 4;

impl Scheduler {
    /// Chunks in the next request to `source`: all that is allowed when it is the only one, else what it sends in a
    /// moment and no more than its share of what is left, so that all end together.
    pub(super) fn stretch(&self, source: SourceId) -> u32 {
        let most = self.policy.span.max(1);
        let Some(lane) = self.lanes.get(source.0) else { return most };
        let beside = |at: usize| SourceId(at) != source;
        let rivals = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(at, other)| beside(*at) && other.is_ready() && other.priority == lane.priority);
        let mut total = 0.0;
        let mut count = 0usize;
        for (_, rival) in rivals {
            total += rival.meter.rate().unwrap_or(0.0);
            count += 1;
        }
        if count == 0 {
            return most;
        }
        let Some(rate) = lane.meter.rate() else {
            let even = u32::try_from(self.missing.div_ceil(count + 1)).unwrap_or(u32::MAX);
            return TRIAL.min(most).min(even).max(1);
        };
        let at_a_time = f64::from(lane.capacity(self.policy.in_flight));
        let share = self.missing as f64 * rate / (total + rate) / at_a_time;
        // Saturates, and is at least one.
        ((rate * STRETCH).min(share) as u32).clamp(1, most)
    }

    /// What an idle source takes over from a slower one: the end of a request. None while anything is missing.
    pub(super) fn relieve(&self, now: Duration) -> Option<(SourceId, Range<u32>)> {
        if self.mirrors != Mirrors::Free || self.missing > 0 {
            return None;
        }
        self.helpers().find_map(|taker| {
            let rate = self.lanes.get(taker.0)?.meter.rate();
            let of = |id: &RequestId| self.taken_over(now, taker, rate, *id);
            let best = self.requests.keys().filter_map(of).max_by(|a, b| a.0.total_cmp(&b.0));
            best.map(|(_, span)| (taker, span))
        })
    }

    /// Sources that have nothing to do.
    fn helpers(&self) -> impl Iterator<Item = SourceId> + '_ {
        let idle =
            |lane: &Lane| lane.is_ready() && lane.in_flight == 0 && lane.ranges != Some(Ranges::Ignored);
        self.lanes.iter().enumerate().filter(move |(_, lane)| idle(lane)).map(|(at, _)| SourceId(at))
    }

    /// The seconds that a request still takes, and what of it `taker` should fetch instead.
    fn taken_over(
        &self,
        now: Duration,
        taker: SourceId,
        rate: Option<f64>,
        id: RequestId,
    ) -> Option<(f64, Range<u32>)> {
        let request = self.requests.get(&id).filter(|request| request.source != taker)?;
        let lane = self.lanes.get(request.source.0)?;
        // Who is asked only when others cannot does not take from them because they are slow.
        if self.lanes.get(taker.0)?.priority > lane.priority && !self.has_stalled(now, request.source) {
            return None;
        }
        let tail = self.tail(id, taker, request.span.clone());
        let left = tail.len() as f64;
        let all = request.span.clone().filter(|chunk| self.wants(id, *chunk)).count() as f64;
        // The source sends its requests side by side.
        let theirs = lane.meter.rate_at(now) / f64::from(lane.in_flight.max(1));
        let ours = rate.unwrap_or(UNKNOWN);
        let takes = all / theirs;
        if tail.is_empty() || takes < WORTH {
            return None;
        }
        let mut share = (all * ours / (ours + theirs)).floor();
        if share < 1.0 && ours >= 2.0 * theirs {
            share = 1.0;
        }
        // At most the length of the tail.
        let count = share.min(left) as u32;
        (count > 0).then(|| (takes, tail.end - count..tail.end))
    }

    /// The last chunks of a request that it still has to bring, one behind the other, and that `taker` may send.
    fn tail(&self, id: RequestId, taker: SourceId, span: Range<u32>) -> Range<u32> {
        let open = |chunk: &u32| self.wants(id, *chunk) && self.may_send(taker, *chunk);
        let end = span.clone().rev().find(|chunk| self.wants(id, *chunk)).map_or(span.start, |last| last + 1);
        let start = (span.start..end).rev().take_while(open).last().unwrap_or(end);
        start..end
    }

    /// The request that was to bring `span` has lost it to another.
    pub(super) fn rob(&mut self, span: &Range<u32>) {
        if let Some(Chunk::Requested(holder)) = self.chunk(span.start)
            && let Some(request) = self.requests.get_mut(&holder)
        {
            request.robbed = true;
        }
        span.clone().for_each(|chunk| self.set(chunk, Chunk::Missing));
    }

    /// A request that is of no use any more: others bring all that it still had to bring, or it has stalled while
    /// peers could bring it.
    pub(super) fn abandon(&mut self, now: Duration) -> Option<Action> {
        let useless = |(id, request): (&RequestId, &super::Request)| {
            let over = request.robbed && !request.span.clone().any(|chunk| self.wants(*id, chunk));
            let stalled = self.mirrors != Mirrors::Free && self.has_stalled(now, request.source);
            (over || stalled).then_some((*id, over))
        };
        let (id, over) = self.requests.iter().find_map(useless)?;
        let span = self.requests.get(&id)?.span.clone();
        // Who was relieved of everything may be slow; who stalled has failed.
        let fault = (!over).then_some(Fault::Transient { retry_after: None });
        self.ended(now, id, fault);
        Some(Action::Abandon { request: id, span })
    }

    fn has_stalled(&self, now: Duration, source: SourceId) -> bool {
        self.lanes.get(source.0).is_some_and(|lane| {
            let silence = lane.meter.silence(now);
            let usual = lane.meter.rate().map_or(0.0, |rate| STALLED_CHUNKS / rate);
            let patience = STALLED * (1 << lane.failures.min(DOUBLINGS));
            lane.in_flight > 0 && silence >= patience && silence.as_secs_f64() >= usual
        })
    }

    /// When it is looked again whether a source should be relieved.
    pub(super) fn next_look(&self, now: Duration) -> Option<Duration> {
        if self.requests.is_empty() {
            return None;
        }
        let helps = match self.mirrors {
            Mirrors::Free => {
                self.missing == 0
                    && self.helpers().any(|helper| self.requests.values().any(|other| other.source != helper))
            }
            Mirrors::Sparing | Mirrors::Held => true,
        };
        helps.then(|| now + LOOK)
    }
}
