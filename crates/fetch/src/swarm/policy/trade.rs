//! Among strangers: who is served for a while (BEP 3, choking and optimistic unchoking).
//!
//! A standard client gives to those who give to it. So do we: of those who want something, the ones that gave
//! most in the last turn are served, and one more by chance, so that newcomers can begin and better givers are
//! found. Who has everything serves those who took most: they have the links to pass it on. Within a turn,
//! [serving](super::serve) goes on as in a fleet.

use std::cmp::Reverse;
use std::time::Duration;

use super::Swarm;
use super::words::{Action, PeerId, Talk};

/// Peers that are served at a time, the one by chance included: what mainline does on a link of some Mbit/s.
const SERVED: usize = 8;

/// How long those who are served stay so.
const TURN: Duration = Duration::from_secs(10);

/// Turns that the one by chance has: BEP 3 gives it thirty seconds to show what it gives.
const CHANCE: u32 = 3;

/// The turns so far.
pub(super) struct Trade {
    next: Duration,
    turns: u32,
    by_chance: Option<PeerId>,
}

impl Default for Trade {
    fn default() -> Self {
        // Nobody has given anything yet: until then, who comes first is served first.
        Self { next: TURN, turns: 0, by_chance: None }
    }
}

impl Swarm {
    /// Ends a turn when it is time.
    pub(super) fn trade(&mut self, now: Duration) {
        let Some(trade) = &mut self.trade else { return };
        if now < trade.next {
            return;
        }
        trade.next = now + TURN;
        let draws = trade.turns.is_multiple_of(CHANCE);
        trade.turns = trade.turns.wrapping_add(1);
        let chosen = self.choose_served(draws);
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            self.serve_or_choke(id, chosen.contains(&id));
            self.say_whether_we_want(id);
            if let Some(peer) = self.peers.get_mut(&id) {
                (peer.gave, peer.took) = (0, 0);
            }
        }
    }

    /// Somebody wants something: when a place is free, there is no need to wait for the next turn.
    pub(super) fn serve_if_free(&mut self, id: PeerId) {
        let served = self.peers.values().filter(|peer| !peer.we_choke && peer.wants_us).count();
        if self.trade.is_some() && served < SERVED {
            self.serve_or_choke(id, true);
        }
    }

    fn choose_served(&mut self, draws: bool) -> Vec<PeerId> {
        let seed = self.table.stored().is_full();
        let waiting = self.peers.iter().filter(|(_, peer)| peer.wants_us && !peer.has.is_full());
        let mut ranked: Vec<(Reverse<u64>, u64, PeerId)> = waiting
            .map(|(id, peer)| {
                let worth = if seed { peer.took } else { peer.gave };
                (Reverse(worth), self.random.u64(..), *id)
            })
            .collect();
        ranked.sort_unstable();
        let mut chosen: Vec<PeerId> = ranked.into_iter().map(|(_, _, id)| id).collect();
        let others = chosen.split_off(chosen.len().min(SERVED - 1));
        let before = self.trade.as_ref().and_then(|trade| trade.by_chance).filter(|id| others.contains(id));
        let by_chance = before.filter(|_| !draws).or_else(|| self.random.choice(&others).copied());
        if let Some(trade) = &mut self.trade {
            trade.by_chance = by_chance;
        }
        chosen.extend(by_chance);
        chosen
    }

    fn serve_or_choke(&mut self, id: PeerId, serve: bool) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if std::mem::replace(&mut peer.we_choke, !serve) != serve {
            return;
        }
        if serve {
            self.actions.push_back(Action::Tell(id, Talk::Unchoke));
            return;
        }
        self.actions.push_back(Action::Tell(id, Talk::Choke));
        // BEP 6: what a choke leaves unanswered is rejected. Without BEP 6, the choke says it.
        let left = std::mem::take(&mut peer.queue);
        if peer.greeting.fast {
            self.actions.extend(left.into_iter().map(|block| Action::Tell(id, Talk::Reject(block))));
        }
    }

    /// BEP 3 has this kept up to date: it is by this that the other side chooses whom to serve.
    fn say_whether_we_want(&mut self, id: PeerId) {
        let stored = self.table.stored();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.we_want && peer.attempts.is_empty() && !peer.has.has_more_than(stored) {
            peer.we_want = false;
            self.actions.push_back(Action::Tell(id, Talk::NotInterested));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Block, Event, Greeting, Limits, Manners, Seeding};
    use super::*;
    use crate::swarm::Bits;

    const CHUNK: u32 = 32 << 10;

    fn strangers(stored: Bits) -> Swarm {
        let limits = Limits { manners: Manners::Strangers, ..Limits::new(20 * u64::from(CHUNK), CHUNK) };
        Swarm::new(limits, stored, Seeding::Plain, 1)
    }

    fn join(swarm: &mut Swarm, id: u32, has: Bits) {
        let greeting = Greeting { fast: true, requests: 10, origin: false };
        swarm.handle(Duration::ZERO, Event::Joined(PeerId(id), greeting));
        swarm.handle(Duration::ZERO, Event::Told(PeerId(id), Talk::Bitfield(has)));
        swarm.handle(Duration::ZERO, Event::Told(PeerId(id), Talk::Interested));
    }

    fn told(swarm: &mut Swarm, now: Duration) -> Vec<(u32, Talk)> {
        let mut told = Vec::new();
        while let Some(action) = swarm.poll(now) {
            if let Action::Tell(PeerId(id), talk) = action {
                told.push((id, talk));
            }
        }
        told
    }

    #[test]
    fn who_gives_is_served_and_the_others_share_one_place() {
        let mut swarm = strangers(Bits::none(20));
        let mut has = Bits::none(20);
        has.insert(3);
        (0..12).for_each(|id| join(&mut swarm, id, has.clone()));
        let unchoked = told(&mut swarm, Duration::ZERO).iter().filter(|(_, t)| *t == Talk::Unchoke).count();
        assert_eq!(unchoked, SERVED);
        // The eleventh gives a block.
        swarm.handle(Duration::from_secs(1), Event::Told(PeerId(11), Talk::Unchoke));
        let asked = told(&mut swarm, Duration::from_secs(1));
        let request = asked.iter().find_map(|(id, talk)| match talk {
            Talk::Request(block) if *id == 11 => Some(*block),
            _ => None,
        });
        swarm.arrived(Duration::from_secs(2), PeerId(11), request.unwrap());
        for turn in 2..6 {
            told(&mut swarm, TURN * turn);
            let served: Vec<u32> =
                swarm.peers.iter().filter(|(_, peer)| !peer.we_choke).map(|(id, _)| id.0).collect();
            assert_eq!(served.len(), SERVED);
            assert!(turn > 2 || served.contains(&11), "{served:?}");
        }
    }

    #[test]
    fn a_choke_rejects_what_waits_and_nothing_is_sent_to_the_choked() {
        let mut swarm = strangers(Bits::all(20));
        (0..12).for_each(|id| join(&mut swarm, id, Bits::none(20)));
        told(&mut swarm, Duration::ZERO);
        let block = |chunk| Block { chunk, begin: 0, length: 16 << 10 };
        for id in 0..12 {
            for chunk in 0..5 {
                swarm.handle(Duration::ZERO, Event::Told(PeerId(id), Talk::Request(block(chunk))));
            }
        }
        let rejected = told(&mut swarm, Duration::ZERO);
        assert_eq!(rejected.iter().filter(|(_, talk)| matches!(talk, Talk::Reject(_))).count(), 4 * 5);
        for turn in 1..10 {
            let now = TURN * turn;
            while let Some(action) = swarm.poll(now) {
                if let Action::Upload(id, block) = action {
                    assert!(!swarm.peers[&id].we_choke);
                    swarm.handle(now, Event::Sent(id, block));
                }
            }
        }
        assert!(swarm.peers.values().all(|peer| !peer.we_choke || peer.queue.is_empty()));
    }

    #[test]
    fn we_say_so_when_a_peer_has_nothing_for_us_any_more() {
        let mut swarm = strangers(Bits::none(20));
        let mut has = Bits::none(20);
        has.insert(3);
        join(&mut swarm, 0, has);
        assert!(told(&mut swarm, Duration::ZERO).contains(&(0, Talk::Interested)));
        swarm.handle(Duration::from_secs(1), Event::Stored(3));
        assert!(told(&mut swarm, TURN * 2).contains(&(0, Talk::NotInterested)));
        swarm.handle(TURN * 2, Event::Told(PeerId(0), Talk::Have(4)));
        assert!(told(&mut swarm, TURN * 2).contains(&(0, Talk::Interested)));
    }
}
