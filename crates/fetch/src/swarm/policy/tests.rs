//! What the policy says to single events. What it makes of a fleet is the [simulation](crate::sim)'s matter.

use super::*;

const NOW: Duration = Duration::ZERO;
const FAST: Greeting = Greeting { fast: true, requests: 500, origin: false };

/// A machine without anything, and peers that have everything.
fn machine(chunks: u32, peers: u32) -> Swarm {
    let limits = Limits::new(u64::from(chunks) * 65536, 65536);
    let mut swarm = Swarm::new(limits, Bits::none(chunks), Seeding::Plain, 1);
    for peer in (0..peers).map(PeerId) {
        swarm.handle(NOW, Event::Joined(peer, FAST));
        swarm.handle(NOW, Event::Told(peer, Talk::HaveAll));
    }
    swarm
}

fn unchoke(swarm: &mut Swarm, peer: u32) {
    swarm.handle(NOW, Event::Told(PeerId(peer), Talk::Unchoke));
}

/// Chunks of which blocks are asked for, each once, in order.
fn asked(swarm: &mut Swarm, now: Duration) -> Vec<u32> {
    let mut asked = Vec::new();
    while let Some(action) = swarm.poll(now) {
        if let Action::Tell(_, Talk::Request(block)) = action
            && asked.last() != Some(&block.chunk)
        {
            asked.push(block.chunk);
        }
    }
    asked
}

#[test]
fn what_somebody_waits_for_is_asked_for_first() {
    let mut swarm = machine(100, 2);
    swarm.prefer([7]);
    swarm.demand([31, u32::MAX]);
    unchoke(&mut swarm, 0);
    assert_eq!(asked(&mut swarm, NOW), [31]);
    unchoke(&mut swarm, 1);
    assert!(asked(&mut swarm, NOW).is_empty(), "what nobody waits for would only slow it down");
    for at in 0..swarm.limits().blocks(31) {
        let block = swarm.limits().block(31, at);
        swarm.arrived(NOW, PeerId(0), block);
    }
    assert_eq!(asked(&mut swarm, NOW).first(), Some(&7));
}

#[test]
fn while_it_is_held_peers_are_asked_for_nothing_else() {
    let mut swarm = machine(100, 1);
    swarm.hold(true);
    swarm.prefer([7]);
    swarm.demand([31]);
    unchoke(&mut swarm, 0);
    for chunk in [31, 7] {
        assert_eq!(asked(&mut swarm, NOW), [chunk]);
        for at in 0..swarm.limits().blocks(chunk) {
            let block = swarm.limits().block(chunk, at);
            swarm.arrived(NOW, PeerId(0), block);
        }
    }
    assert!(asked(&mut swarm, NOW).is_empty());
    swarm.hold(false);
    assert!(!asked(&mut swarm, NOW).is_empty());
}

#[test]
fn a_peer_that_lets_a_reader_wait_does_not_leave_the_link_idle() {
    let mut swarm = machine(100, 3);
    swarm.demand([31]);
    unchoke(&mut swarm, 0);
    assert_eq!(asked(&mut swarm, NOW), [31]);
    unchoke(&mut swarm, 1);
    assert!(asked(&mut swarm, NOW).is_empty());
    assert_eq!(asked(&mut swarm, NOW + Duration::from_millis(300)), [31], "of the other");
    unchoke(&mut swarm, 2);
    let later = asked(&mut swarm, NOW + Duration::from_secs(2));
    assert!(later.iter().any(|chunk| *chunk != 31), "{later:?}");
}

#[test]
fn a_waiting_reader_is_worth_one_more_peer() {
    let mut swarm = machine(100, 20);
    (0..20).for_each(|peer| unchoke(&mut swarm, peer));
    let usual = asked(&mut swarm, NOW);
    assert_eq!(usual.len(), 16);
    let wanted = (0..100).find(|chunk| !usual.contains(chunk)).unwrap();
    swarm.demand([wanted]);
    assert_eq!(asked(&mut swarm, NOW), [wanted]);
}

#[test]
fn a_mirror_takes_over_what_peers_let_wait() {
    let mut swarm = machine(1, 1);
    unchoke(&mut swarm, 0);
    assert_eq!(asked(&mut swarm, NOW), [0]);
    swarm.handle(NOW, Event::Claimed(0));
    let mut cancelled = 0;
    while let Some(action) = swarm.poll(NOW) {
        assert!(!matches!(action, Action::Returned(_)), "the mirror has it");
        cancelled += u32::from(matches!(action, Action::Tell(_, Talk::Cancel(_))));
    }
    assert_eq!(cancelled, 4);
    assert!(!swarm.is_receiving());
}

/// The answers to a request for every block of `chunk` by `peer`: blocks sent, and blocks rejected.
fn request(swarm: &mut Swarm, peer: u32, chunk: u32) -> (usize, usize) {
    for at in 0..4 {
        let block = swarm.limits().block(chunk, at);
        swarm.handle(NOW, Event::Told(PeerId(peer), Talk::Request(block)));
    }
    let (mut sent, mut rejected) = (0, 0);
    while let Some(action) = swarm.poll(NOW) {
        sent += usize::from(matches!(action, Action::Upload(..)));
        rejected += usize::from(matches!(action, Action::Tell(_, Talk::Reject(_))));
    }
    (sent, rejected)
}

#[test]
fn a_crowd_is_told_at_once_that_we_are_busy() {
    let limits = Limits::new(4 * 65536, 65536);
    let mut swarm = Swarm::new(limits, Bits::all(4), Seeding::Plain, 1);
    (0..40).for_each(|peer| swarm.handle(NOW, Event::Joined(PeerId(peer), FAST)));
    let answers: Vec<_> = (0..40).map(|peer| request(&mut swarm, peer, peer % 4)).collect();
    let served = answers.iter().filter(|(_, rejected)| *rejected == 0).count();
    let turned_away = answers.iter().filter(|(_, rejected)| *rejected == 4).count();
    // A chunk is rejected whole or not at all.
    assert_eq!(served + turned_away, 40);
    assert!((6..20).contains(&served), "{served} are served");
}

#[test]
fn one_that_does_not_know_rejects_waits_as_long_as_it_likes() {
    let limits = Limits::new(4 * 65536, 65536);
    let mut swarm = Swarm::new(limits, Bits::all(4), Seeding::Plain, 1);
    let slow = Greeting { fast: false, ..FAST };
    (0..40).for_each(|peer| swarm.handle(NOW, Event::Joined(PeerId(peer), slow)));
    assert!((0..40).all(|peer| request(&mut swarm, peer, peer % 4).1 == 0));
}
