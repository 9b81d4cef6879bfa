//! Sources of unequal speed: a network in which each sends its chunks one after the other at a rate of its own.

use super::*;
use crate::retry::HEARSAY_MAX;

/// Spans as long as those of a real download, in chunks of 256 KiB.
const LONG: Policy = Policy { span: 64, ..POLICY };

struct Source {
    /// Chunks a second, and from when on it sends nothing.
    rate: f64,
    dies: Duration,
    /// What it has been asked for, in order.
    queue: Vec<(RequestId, Range<u32>)>,
    /// When the next chunk is whole.
    next: Duration,
    sent: u32,
}

/// Plays a download to its end: how long it took, and how many chunks each source brought that counted.
fn play(chunks: usize, sources: &[(f64, f64)], mirrors: Mirrors) -> (f64, Vec<u32>) {
    let infos: Vec<_> = sources.iter().map(|_| SourceInfo { priority: 0 }).collect();
    play_ranked(chunks, sources, &infos, mirrors)
}

/// The same with sources of which some are asked before others.
fn play_ranked(
    chunks: usize,
    sources: &[(f64, f64)],
    infos: &[SourceInfo],
    mirrors: Mirrors,
) -> (f64, Vec<u32>) {
    let mut scheduler = Scheduler::new(LONG, &vec![false; chunks], infos, 3);
    scheduler.set_mirrors(mirrors);
    let mut network: Vec<_> = sources
        .iter()
        .map(|(rate, dies)| Source {
            rate: *rate,
            dies: Duration::from_secs_f64(*dies),
            queue: Vec::new(),
            next: NOW,
            sent: 0,
        })
        .collect();
    let mut now = NOW;
    loop {
        match scheduler.poll(now) {
            Action::Complete => return (now.as_secs_f64(), network.iter().map(|it| it.sent).collect()),
            Action::Defeat(defeat) => panic!("{defeat:?}"),
            Action::Abandon { request, .. } => {
                network.iter_mut().for_each(|source| source.queue.retain(|(id, _)| *id != request));
            }
            Action::Request { request, source, span } => {
                let source = &mut network[source.0];
                if source.queue.is_empty() {
                    source.next = now + Duration::from_secs_f64(1.0 / source.rate);
                }
                source.queue.push((request, span));
                answered(&mut scheduler, request, Ranges::Honoured);
            }
            Action::Wait(wake) => {
                let busy =
                    network.iter().enumerate().filter(|(_, it)| !it.queue.is_empty() && it.next < it.dies);
                let next = busy.map(|(at, it)| (it.next, at)).min();
                match (next, wake) {
                    (Some((time, at)), wake) if wake.is_none_or(|wake| time <= wake) => {
                        now = now.max(time);
                        network[at].step(&mut scheduler, now);
                    }
                    (_, Some(wake)) => now = wake,
                    _ => panic!("it hangs at {now:?}"),
                }
            }
        }
        assert!(now < Duration::from_secs(1000), "it does not end");
    }
}

impl Source {
    fn step(&mut self, scheduler: &mut Scheduler, now: Duration) {
        let (request, span) = &mut self.queue[0];
        let (request, chunk) = (*request, span.next().unwrap());
        let ends = span.start >= span.end;
        if scheduler.wants(request, chunk) {
            scheduler.handle(now, Event::Arrived { request, chunk });
            scheduler.handle(now, Event::Stored { chunk });
            self.sent += 1;
        }
        if ends {
            self.queue.remove(0);
            scheduler.handle(now, Event::Ended { request, fault: None });
        }
        self.next = now + Duration::from_secs_f64(1.0 / self.rate);
    }
}

#[test]
fn each_source_brings_as_much_as_it_is_fast_and_all_end_together() {
    let (took, sent) = play(1000, &[(80.0, 1e6), (20.0, 1e6)], Mirrors::Free);
    // 100 chunks a second together.
    assert!(took < 10.8, "{took} s");
    assert!((150..250).contains(&sent[1]), "{sent:?}");
}

#[test]
fn a_very_slow_source_gets_few_chunks_and_does_not_hold_up_the_end() {
    let (took, sent) = play(400, &[(100.0, 1e6), (0.5, 1e6)], Mirrors::Free);
    assert!(took < 4.6, "{took} s");
    assert!(sent[1] <= 4, "{sent:?}");
}

#[test]
fn a_source_that_stalls_is_relieved_of_its_chunks_in_the_end_game() {
    let (took, sent) = play(400, &[(50.0, 1e6), (50.0, 1.0)], Mirrors::Free);
    assert!(took < 8.5, "{took} s");
    assert_eq!(sent.iter().sum::<u32>(), 400);
    // From the very beginning, and with nothing measured.
    let (took, sent) = play(4, &[(50.0, 0.0), (50.0, 1e6)], Mirrors::Free);
    assert!(took < 3.0, "{took} s");
    assert_eq!(sent, [0, 4]);
}

#[test]
fn a_source_that_is_asked_last_takes_over_only_when_nothing_comes_any_more() {
    let ranked = [SourceInfo { priority: 0 }, SourceInfo { priority: 10 }];
    let (_, sent) = play_ranked(40, &[(2.0, 1e6), (80.0, 1e6)], &ranked, Mirrors::Free);
    assert_eq!(sent, [40, 0]);
    let (took, sent) = play_ranked(40, &[(2.0, 3.0), (80.0, 1e6)], &ranked, Mirrors::Free);
    assert!(took < 12.0 && sent[1] >= 30, "{took} s, {sent:?}");
}

#[test]
fn a_single_source_is_asked_for_long_spans() {
    let mut scheduler = Scheduler::new(LONG, &[false; 100], &[SourceInfo { priority: 0 }], 0);
    assert_eq!(request(&mut scheduler, NOW).2, 0..64);
}

#[test]
fn beside_others_a_source_that_is_not_known_is_tried_with_a_little() {
    let sources = [SourceInfo { priority: 0 }; 2];
    let mut scheduler = Scheduler::new(LONG, &[false; 100], &sources, 0);
    assert_eq!(request(&mut scheduler, NOW).2, 0..4);
    assert_eq!(request(&mut scheduler, NOW).2, 4..8);
}

#[test]
fn what_a_stalled_mirror_holds_is_left_to_peers() {
    let mut scheduler = Scheduler::new(LONG, &[false; 100], &[SourceInfo { priority: 0 }], 0);
    let (first, _, span) = request(&mut scheduler, NOW);
    answered(&mut scheduler, first, Ranges::Honoured);
    deliver(&mut scheduler, first, 0);
    scheduler.set_mirrors(Mirrors::Held);
    assert!(matches!(scheduler.poll(Duration::from_secs(3)), Action::Wait(Some(_))));
    let abandoned = Action::Abandon { request: first, span };
    assert_eq!(scheduler.poll(Duration::from_secs(4)), abandoned);
    assert!((1..64).all(|chunk| scheduler.is_missing(chunk)) && !scheduler.wants(first, 1));
    // It has failed, and is tried again later.
    assert!(matches!(scheduler.retry_in(Duration::from_secs(4), SourceId(0)), Some(wait) if !wait.is_zero()));
}

#[test]
fn a_chunk_that_somebody_waits_for_is_asked_of_another_when_the_first_is_silent() {
    let sources = [SourceInfo { priority: 0 }; 2];
    let mut scheduler = Scheduler::new(LONG, &[false; 2], &sources, 0);
    scheduler.demand(NOW, [0]);
    let (_, first, span) = request(&mut scheduler, NOW);
    assert_eq!(span, 0..1);
    let Action::Wait(Some(wake)) = scheduler.poll(NOW) else { panic!("nothing to wait for") };
    assert_eq!(wake, Duration::from_secs(1));
    let (again, second, span) = request(&mut scheduler, wake);
    assert!(second != first && span == (0..1), "{second} {span:?}");
    deliver(&mut scheduler, again, 0);
}

#[test]
fn who_is_said_to_be_busy_is_left_alone_once_and_not_for_long() {
    let hour = Duration::from_secs(3600);
    let mut scheduler = scheduler(8, &[0]);
    assert!(scheduler.hear_busy(NOW, SourceId(0), hour));
    let Action::Wait(Some(wake)) = scheduler.poll(NOW) else { panic!("it is asked") };
    assert!(wake >= HEARSAY_MAX && wake <= HEARSAY_MAX + POLICY.retry.backoff.base, "{wake:?}");
    // It is asked before anybody is believed again.
    scheduler.poll(NOW);
    assert!(!scheduler.hear_busy(wake, SourceId(0), hour));
    let (first, ..) = request(&mut scheduler, wake);
    assert!(!scheduler.hear_busy(wake, SourceId(0), hour), "it is being asked");
    answered(&mut scheduler, first, Ranges::Honoured);
    (0..4).for_each(|chunk| deliver(&mut scheduler, first, chunk));
    scheduler.handle(wake, Event::Ended { request: first, fault: None });
    assert!(scheduler.hear_busy(wake, SourceId(0), Duration::from_secs(1)));
    assert!(!scheduler.hear_busy(wake, SourceId(7), hour), "there is no such source");
}
