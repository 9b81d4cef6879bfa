//! The scheduler against sources that do anything in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::retry::{Backoff, Retries, RetryPolicy};

mod speed;

const POLICY: Policy = Policy {
    retry: RetryPolicy {
        retries: Retries::Finite(3),
        backoff: Backoff { base: Duration::from_millis(100), max: Duration::from_secs(5) },
    },
    span: 4,
    in_flight: 2,
    bad_chunk_limit: 3,
    bad_source_limit: 2,
};

const NOW: Duration = Duration::ZERO;
const TRANSIENT: Fault = Fault::Transient { retry_after: None };

fn scheduler(chunks: usize, priorities: &[u8]) -> Scheduler {
    let sources: Vec<_> = priorities.iter().map(|priority| SourceInfo { priority: *priority }).collect();
    Scheduler::new(POLICY, &vec![false; chunks], &sources, 7)
}

/// The next request, which there must be.
fn request(scheduler: &mut Scheduler, now: Duration) -> (RequestId, usize, Range<u32>) {
    match scheduler.poll(now) {
        Action::Request { request, source, span } => (request, source.0, span),
        other => panic!("no request but {other:?}"),
    }
}

fn answered(scheduler: &mut Scheduler, request: RequestId, ranges: Ranges) {
    scheduler.handle(NOW, Event::Answered { request, ranges });
}

fn deliver(scheduler: &mut Scheduler, request: RequestId, chunk: u32) {
    assert!(scheduler.wants(request, chunk));
    scheduler.handle(NOW, Event::Arrived { request, chunk });
    scheduler.handle(NOW, Event::Stored { chunk });
}

fn fail(scheduler: &mut Scheduler, request: RequestId, fault: Fault) {
    scheduler.handle(NOW, Event::Ended { request, fault: Some(fault) });
}

#[test]
fn nothing_is_asked_for_when_everything_is_there() {
    let mut done = Scheduler::new(POLICY, &[true, true], &[SourceInfo { priority: 0 }], 0);
    assert_eq!(done.poll(NOW), Action::Complete);
}

#[test]
fn what_is_there_already_is_left_out_of_the_requests() {
    let stored = [true, false, false, true, false];
    let mut scheduler = Scheduler::new(POLICY, &stored, &[SourceInfo { priority: 0 }], 0);
    let (first, _, span) = request(&mut scheduler, NOW);
    assert_eq!(span, 1..3);
    answered(&mut scheduler, first, Ranges::Honoured);
    assert_eq!(request(&mut scheduler, NOW).2, 4..5);
}

#[test]
fn a_source_gets_its_second_request_when_it_has_answered_the_first() {
    let mut scheduler = scheduler(12, &[0]);
    let (first, ..) = request(&mut scheduler, NOW);
    assert_eq!(scheduler.poll(NOW), Action::Wait(None));
    answered(&mut scheduler, first, Ranges::Honoured);
    assert_eq!(request(&mut scheduler, NOW).2, 4..8);
    assert_eq!(scheduler.poll(NOW), Action::Wait(None));
}

#[test]
fn a_source_that_ignores_ranges_is_asked_once_for_all_the_rest() {
    let mut scheduler = scheduler(12, &[0]);
    let (first, ..) = request(&mut scheduler, NOW);
    answered(&mut scheduler, first, Ranges::Ignored);
    (0..4).for_each(|chunk| deliver(&mut scheduler, first, chunk));
    scheduler.handle(NOW, Event::Ended { request: first, fault: None });
    assert_eq!(request(&mut scheduler, NOW).2, 4..12);
    assert_eq!(scheduler.poll(NOW), Action::Wait(None));
}

#[test]
fn equal_sources_share_the_work_and_lesser_ones_wait_until_they_are_needed() {
    let mut scheduler = scheduler(20, &[1, 0, 0]);
    assert_eq!(request(&mut scheduler, NOW).1, 1);
    let (second, source, _) = request(&mut scheduler, NOW);
    assert_eq!(source, 2);
    assert_eq!(scheduler.poll(NOW), Action::Wait(None));
    fail(&mut scheduler, second, TRANSIENT);
    assert!(matches!(scheduler.poll(NOW), Action::Wait(Some(_))));
}

#[test]
fn a_lesser_source_helps_out_while_the_better_one_waits() {
    let mut scheduler = scheduler(4, &[0, 1]);
    let (first, ..) = request(&mut scheduler, NOW);
    fail(&mut scheduler, first, Fault::Transient { retry_after: Some(Duration::from_secs(60)) });
    assert_eq!(request(&mut scheduler, NOW).1, 1);
    assert!(scheduler.retry_in(NOW, SourceId(0)).unwrap() >= Duration::from_secs(60));
}

#[test]
fn a_server_that_dies_under_two_requests_has_failed_once() {
    let mut scheduler = scheduler(12, &[0]);
    let (first, ..) = request(&mut scheduler, NOW);
    answered(&mut scheduler, first, Ranges::Honoured);
    let (second, ..) = request(&mut scheduler, NOW);
    fail(&mut scheduler, first, TRANSIENT);
    fail(&mut scheduler, second, TRANSIENT);
    assert_eq!(scheduler.lanes[0].failures, 1);
}

#[test]
fn good_chunks_between_failures_keep_a_source_alive() {
    let mut scheduler = scheduler(40, &[0]);
    let mut now = NOW;
    for chunk in 0..40 {
        let (id, _, span) = request(&mut scheduler, now);
        assert_eq!(span.start, chunk);
        deliver(&mut scheduler, id, chunk);
        scheduler.handle(now, Event::Ended { request: id, fault: Some(TRANSIENT) });
        now += Duration::from_secs(10);
    }
    assert_eq!(scheduler.poll(now), Action::Complete);
}

#[test]
fn a_source_is_given_up_after_its_retries() {
    let mut scheduler = scheduler(4, &[0]);
    let mut now = NOW;
    for _ in 0..4 {
        let (id, ..) = request(&mut scheduler, now);
        scheduler.handle(now, Event::Ended { request: id, fault: Some(TRANSIENT) });
        now += Duration::from_secs(10);
    }
    assert_eq!(scheduler.poll(now), Action::Defeat(Defeat::Exhausted));
    assert_eq!(scheduler.retry_in(now, SourceId(0)), None);
}

#[test]
fn a_permanent_fault_ends_a_source_at_once() {
    let mut scheduler = scheduler(4, &[0]);
    let (id, ..) = request(&mut scheduler, NOW);
    fail(&mut scheduler, id, Fault::Permanent);
    assert_eq!(scheduler.poll(NOW), Action::Defeat(Defeat::Exhausted));
}

#[test]
fn a_damaged_chunk_is_asked_of_the_other_source() {
    let mut scheduler = scheduler(1, &[0, 9]);
    let (id, source, _) = request(&mut scheduler, NOW);
    assert_eq!(source, 0);
    scheduler.handle(NOW, Event::Arrived { request: id, chunk: 0 });
    scheduler.handle(NOW, Event::Refused { chunk: 0 });
    scheduler.handle(NOW, Event::Ended { request: id, fault: None });
    let (id, source, _) = request(&mut scheduler, NOW);
    assert_eq!(source, 1);
    deliver(&mut scheduler, id, 0);
    assert_eq!(scheduler.poll(NOW), Action::Complete);
}

#[test]
fn a_chunk_that_the_only_source_damages_again_and_again_ends_the_download() {
    let mut scheduler = scheduler(1, &[0]);
    for _ in 0..POLICY.bad_chunk_limit {
        let (id, ..) = request(&mut scheduler, NOW);
        scheduler.handle(NOW, Event::Arrived { request: id, chunk: 0 });
        scheduler.handle(NOW, Event::Refused { chunk: 0 });
        scheduler.handle(NOW, Event::Ended { request: id, fault: None });
    }
    assert_eq!(scheduler.poll(NOW), Action::Defeat(Defeat::BadChunk(0)));
}

#[test]
fn a_chunk_that_somebody_waits_for_is_asked_for_beside_what_runs() {
    let mut scheduler = scheduler(100, &[0]);
    let (first, ..) = request(&mut scheduler, NOW);
    answered(&mut scheduler, first, Ranges::Honoured);
    assert_eq!(request(&mut scheduler, NOW).2, 4..8);
    assert_eq!(scheduler.poll(NOW), Action::Wait(None));
    scheduler.demand(NOW, [50, 51, 90]);
    assert_eq!(request(&mut scheduler, NOW).2, 50..52);
    assert_eq!(request(&mut scheduler, NOW).2, 90..91);
    assert_eq!(scheduler.poll(NOW), Action::Wait(None));
}

#[test]
fn while_somebody_waits_nothing_else_is_begun() {
    let mut scheduler = scheduler(100, &[0]);
    scheduler.demand(NOW, [50]);
    let (wanted, _, span) = request(&mut scheduler, NOW);
    assert_eq!(span, 50..51);
    answered(&mut scheduler, wanted, Ranges::Honoured);
    assert_eq!(scheduler.poll(NOW), Action::Wait(None));
    deliver(&mut scheduler, wanted, 50);
    assert_eq!(request(&mut scheduler, NOW).2, 0..4);
}

#[test]
fn a_chunk_that_is_far_back_in_a_long_request_is_asked_for_again() {
    let policy = Policy { span: 64, ..POLICY };
    let mut scheduler = Scheduler::new(policy, &[false; 64], &[SourceInfo { priority: 0 }], 0);
    let (first, _, span) = request(&mut scheduler, NOW);
    assert_eq!(span, 0..64);
    answered(&mut scheduler, first, Ranges::Honoured);
    scheduler.demand(NOW, [2, 40]);
    let (second, _, span) = request(&mut scheduler, NOW);
    assert_eq!(span, 40..41, "chunk 2 comes soon anyway");
    deliver(&mut scheduler, second, 40);
    assert!(!scheduler.wants(first, 40));
    (0..64).filter(|chunk| *chunk != 40).for_each(|chunk| deliver(&mut scheduler, first, chunk));
    scheduler.handle(NOW, Event::Ended { request: second, fault: None });
    scheduler.handle(NOW, Event::Ended { request: first, fault: None });
    assert_eq!(scheduler.poll(NOW), Action::Complete);
}

#[test]
fn peers_have_a_moment_for_what_somebody_waits_for_before_a_mirror_is_asked() {
    let mut scheduler = scheduler(8, &[0]);
    scheduler.set_mirrors(Mirrors::Held);
    scheduler.demand(NOW, [3, 6]);
    scheduler.handle(NOW, Event::Taken { chunk: 6 });
    let Action::Wait(Some(wake)) = scheduler.poll(NOW) else { panic!("nothing to wait for") };
    assert_eq!(request(&mut scheduler, wake).2, 3..4);
    // What the peer that was asked does not bring in time, too.
    let late = Duration::from_secs(5);
    let (id, _, span) = {
        let mut second = Scheduler::new(POLICY, &[false; 8], &[SourceInfo { priority: 0 }], 0);
        second.set_mirrors(Mirrors::Held);
        second.handle(NOW, Event::Taken { chunk: 6 });
        second.demand(NOW, [6]);
        let asked = request(&mut second, late);
        // It comes from the peer after all: the mirror's copy is let go by.
        second.handle(late, Event::Given { chunk: 6 });
        assert!(second.is_stored(6) && !second.wants(asked.0, 6));
        asked
    };
    assert_eq!((id, span), (RequestId(0), 6..7));
}

#[test]
fn the_preferred_order_comes_before_the_rest() {
    let mut scheduler = scheduler(20, &[0]);
    scheduler.prefer([9, 10, 11, 3, 15, u32::MAX]);
    let mut spans = Vec::new();
    loop {
        match scheduler.poll(NOW) {
            Action::Request { request, span, .. } => {
                answered(&mut scheduler, request, Ranges::Honoured);
                spans.push(span.clone());
                span.for_each(|chunk| deliver(&mut scheduler, request, chunk));
                scheduler.handle(NOW, Event::Ended { request, fault: None });
            }
            other => break assert_eq!(other, Action::Complete),
        }
    }
    assert_eq!(spans, [9..12, 3..4, 15..16, 0..3, 4..8, 8..9, 12..15, 16..20]);
}

#[test]
fn while_it_is_held_only_what_is_demanded_or_preferred_comes() {
    let mut scheduler = scheduler(20, &[0]);
    scheduler.hold(true);
    scheduler.prefer([9, 10]);
    let bring = |scheduler: &mut Scheduler, expected: Range<u32>| {
        let (id, _, span) = request(scheduler, NOW);
        assert_eq!(span, expected);
        answered(scheduler, id, Ranges::Honoured);
        span.for_each(|chunk| deliver(scheduler, id, chunk));
        scheduler.handle(NOW, Event::Ended { request: id, fault: None });
    };
    bring(&mut scheduler, 9..11);
    assert_eq!(scheduler.poll(NOW), Action::Wait(None), "it has not failed: it waits");
    scheduler.demand(NOW, [17]);
    bring(&mut scheduler, 17..18);
    assert_eq!(scheduler.poll(NOW), Action::Wait(None));
    scheduler.hold(false);
    bring(&mut scheduler, 0..4);
}

#[test]
fn what_is_held_fails_when_nobody_is_left_to_ask() {
    let mut scheduler = scheduler(20, &[0]);
    scheduler.demand(NOW, [19]);
    let mut now = NOW;
    scheduler.hold(true);
    let mut end_of = |scheduler: &mut Scheduler| loop {
        match scheduler.poll(now) {
            Action::Request { request, .. } => fail(scheduler, request, TRANSIENT),
            Action::Wait(Some(wake)) => now = wake,
            other => break other,
        }
    };
    assert_eq!(end_of(&mut scheduler), Action::Defeat(Defeat::Exhausted));
    // While nothing is wanted, nobody has to be there: a peer has brought it after all.
    scheduler.handle(NOW, Event::Given { chunk: 19 });
    assert_eq!(end_of(&mut scheduler), Action::Wait(None));
    scheduler.hold(false);
    assert_eq!(end_of(&mut scheduler), Action::Defeat(Defeat::Exhausted));
}

/// A network that does what its dice say.
struct Chaos {
    dice: fastrand::Rng,
    now: Duration,
    /// Requests that run: the source, what is still to come.
    running: BTreeMap<RequestId, (usize, Range<u32>)>,
    /// Chunks that are being verified.
    arrived: Vec<u32>,
    stored: Vec<u32>,
}

impl Chaos {
    fn begin(&mut self, id: RequestId, source: usize, span: Range<u32>) {
        assert!(!span.is_empty());
        assert!(self.running.insert(id, (source, span)).is_none(), "a request id came twice");
        let at_source = self.running.values().filter(|(running, _)| *running == source).count();
        // Two more for what is waited for.
        assert!(at_source <= POLICY.in_flight as usize + 2, "{at_source} requests at one source");
    }

    /// Lets one thing happen, if anything can.
    fn step(&mut self, scheduler: &mut Scheduler) -> bool {
        self.now += Duration::from_millis(self.dice.u64(0..50));
        if !self.arrived.is_empty() && self.dice.bool() {
            let chunk = self.arrived.swap_remove(self.dice.usize(..self.arrived.len()));
            if self.dice.u8(..8) == 0 {
                scheduler.handle(self.now, Event::Refused { chunk });
            } else {
                self.stored.push(chunk);
                scheduler.handle(self.now, Event::Stored { chunk });
            }
            return true;
        }
        let ids: Vec<_> = self.running.keys().copied().collect();
        let Some(id) = (!ids.is_empty()).then(|| ids[self.dice.usize(..ids.len())]) else { return false };
        match self.dice.u8(..12) {
            0 => self.end(scheduler, id, Some(TRANSIENT)),
            1 => self.end(scheduler, id, None),
            2 if self.dice.u8(..6) == 0 => self.end(scheduler, id, Some(Fault::Permanent)),
            4 => {
                let chunk = self.dice.u32(..80);
                scheduler.demand(self.now, [chunk]);
                scheduler.prefer([chunk / 2, chunk / 3]);
            }
            3 => {
                let ranges = if self.dice.u8(..4) == 0 { Ranges::Ignored } else { Ranges::Honoured };
                scheduler.handle(self.now, Event::Answered { request: id, ranges });
            }
            _ => self.deliver(scheduler, id),
        }
        true
    }

    fn end(&mut self, scheduler: &mut Scheduler, request: RequestId, fault: Option<Fault>) {
        self.running.remove(&request);
        scheduler.handle(self.now, Event::Ended { request, fault });
    }

    fn deliver(&mut self, scheduler: &mut Scheduler, request: RequestId) {
        let Some((_, span)) = self.running.get_mut(&request) else { return };
        let Some(chunk) = span.next() else { return self.end(scheduler, request, None) };
        if scheduler.wants(request, chunk) {
            scheduler.handle(self.now, Event::Arrived { request, chunk });
            self.arrived.push(chunk);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_chunk_is_stored_once_or_the_download_says_that_it_failed(
        there in proptest::collection::vec(proptest::bool::weighted(0.2), 0..60),
        priorities in proptest::collection::vec(0u8..3, 1..4),
        seed: u64,
    ) {
        let sources: Vec<_> = priorities.iter().map(|p| SourceInfo { priority: *p }).collect();
        let mut scheduler = Scheduler::new(POLICY, &there, &sources, seed);
        let mut chaos = Chaos {
            dice: fastrand::Rng::with_seed(!seed),
            now: NOW,
            running: BTreeMap::new(),
            arrived: Vec::new(),
            stored: Vec::new(),
        };
        let mut steps = 0;
        let complete = loop {
            steps += 1;
            prop_assert!(steps < 100_000, "it does not end");
            match scheduler.poll(chaos.now) {
                Action::Complete => break true,
                Action::Defeat(_) => break false,
                Action::Request { request, source, span } => chaos.begin(request, source.0, span),
                Action::Abandon { request, .. } => drop(chaos.running.remove(&request)),
                Action::Wait(wake) => {
                    if !chaos.step(&mut scheduler) {
                        prop_assert!(!chaos.arrived.is_empty() || wake.is_some(), "it waits for nothing");
                        chaos.now = chaos.now.max(wake.unwrap_or_default());
                    }
                }
            }
        };
        chaos.stored.sort_unstable();
        let missing = there.iter().filter(|there| !**there).count();
        let before = chaos.stored.len();
        chaos.stored.dedup();
        prop_assert_eq!(before, chaos.stored.len(), "a chunk was stored twice");
        prop_assert!(chaos.stored.iter().all(|chunk| !there[*chunk as usize]));
        prop_assert_eq!(complete, before == missing);
    }

    #[test]
    fn the_same_seed_gives_the_same_waits(seed: u64) {
        let wait = || {
            let mut scheduler = Scheduler::new(POLICY, &[false], &[SourceInfo { priority: 0 }], seed);
            let (id, ..) = request(&mut scheduler, NOW);
            fail(&mut scheduler, id, TRANSIENT);
            scheduler.poll(NOW)
        };
        prop_assert_eq!(wait(), wait());
    }
}
