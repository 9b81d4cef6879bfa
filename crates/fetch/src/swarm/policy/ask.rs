//! Which chunk is asked of which peer.

use std::time::Duration;

use super::Swarm;
use super::peer::Attempt;
use super::table::State;
use super::words::{Action, Block, Fall, Got, PeerId, Talk};

/// A request that has waited so long without a byte goes to a peer that is free.
const PATIENCE: Duration = Duration::from_millis(800);

/// A chunk of which nothing has come for so long is asked of a second peer.
const SLOW: Duration = Duration::from_secs(1);

/// Of a chunk that somebody waits for, either of them is that much.
const URGENT: Duration = Duration::from_millis(200);

/// While a chunk that somebody waits for comes, nothing else is asked for, for so long: on a slow link it would only
/// make that take longer. A peer that takes its time must not leave the link idle, though.
const ALONE: Duration = Duration::from_secs(1);

/// Peers that are asked at one time. Each machine's uplink then has about so many requests waiting, however
/// large the fleet is: enough that it never idles, few enough that none waits for long.
const ASKED: usize = 16;

/// A peer that says it is busy is left alone for that long, at least,
const REST: Duration = Duration::from_millis(100);

/// and for so long for each peer that could be asked instead: about as often as its turn comes.
const REST_EACH: Duration = Duration::from_millis(8);

impl Swarm {
    /// A block has come from `id`. The driver keeps its bytes as the answer says.
    pub fn arrived(&mut self, now: Duration, id: PeerId, block: Block) -> Got {
        let limits = self.limits;
        let Some(peer) = self.peers.get_mut(&id) else { return Got::Unwanted };
        let place = peer.attempts.iter().position(|attempt| attempt.chunk == block.chunk);
        let at = block.begin / limits.block.max(1);
        let fits = limits.block(block.chunk, at) == block;
        let Some((place, attempt)) =
            place.filter(|_| fits).and_then(|place| Some((place, peer.attempts.get_mut(place)?)))
        else {
            // What was cancelled may cross the cancelling.
            self.noise(id);
            return Got::Unwanted;
        };
        let first = !attempt.started();
        if !attempt.take(at, now) {
            return Got::Unwanted;
        }
        peer.gave += u64::from(block.length);
        let (asked_at, whole) = (attempt.asked_at, attempt.is_whole());
        if first && place == 0 && peer.since <= asked_at {
            peer.measure_round_trip(now.saturating_sub(asked_at));
        }
        self.stirred = true;
        self.free.insert(id);
        if !whole {
            return Got::Part;
        }
        peer.attempts.remove(place);
        peer.stalls = 0;
        let length = limits.length(block.chunk);
        peer.measure_rate(length, asked_at, now);
        self.cancel_all(block.chunk);
        if self.table.is_demanded(block.chunk) {
            // They were not asked while it came.
            self.free.extend(self.peers.keys());
        }
        // Its bytes are in memory until it is verified: it stays under way.
        self.table.set(block.chunk, State::Arrived);
        Got::Whole
    }

    /// Asks whoever is free for whatever is open, one chunk of each in turn.
    pub(super) fn fill(&mut self, now: Duration) {
        if self.free.is_empty() {
            return;
        }
        let mut turn: Vec<PeerId> = std::mem::take(&mut self.free).into_iter().collect();
        self.asked = self.peers.values().filter(|peer| !peer.attempts.is_empty()).count();
        self.random.shuffle(&mut turn);
        while !turn.is_empty() {
            turn.retain(|id| {
                self.ask_more(*id);
                self.ask_one(now, *id)
            });
        }
    }

    /// Asks for the rest of a chunk that is too long for one go.
    fn ask_more(&mut self, id: PeerId) {
        let limits = self.limits;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let most = peer.greeting.requests.clamp(1, limits.queue as u32);
        let mut owed: u32 = peer.attempts.iter().map(Attempt::owed).sum();
        for attempt in &mut peer.attempts {
            while owed < most && attempt.next < limits.blocks(attempt.chunk) {
                let block = limits.block(attempt.chunk, attempt.next);
                attempt.next += 1;
                owed += 1;
                self.actions.push_back(Action::Tell(id, Talk::Request(block)));
            }
        }
    }

    /// Asks `id` for one more chunk, if it is free and has one that is wanted.
    fn ask_one(&mut self, now: Duration, id: PeerId) -> bool {
        let room =
            self.under_way == 0 || self.under_way + u64::from(self.limits.chunk) <= self.limits.under_way;
        let Some(peer) = self.peers.get(&id) else { return false };
        if !room || !peer.we_want || !peer.can_take(now, &self.limits) {
            return false;
        }
        let crowded = peer.attempts.is_empty() && !peer.greeting.origin && self.asked >= ASKED;
        let awaited = self.awaits_demanded(now);
        let chosen = match crowded || awaited {
            true => self.table.open_demand(&peer.has),
            false => self.table.choose(&peer.has, &mut self.random),
        };
        let late = || if crowded { None } else { self.take_over(now, id, awaited) };
        let Some(chunk) = chosen.or_else(late) else { return false };
        self.ask(now, id, chunk);
        true
    }

    /// Whether a peer has just been asked for something that somebody waits for, and has not sent it yet.
    fn awaits_demanded(&self, now: Duration) -> bool {
        let recent = |attempt: &Attempt| now.saturating_sub(attempt.asked_at) < ALONE;
        let awaited = |attempt: &Attempt| recent(attempt) && self.table.is_demanded(attempt.chunk);
        self.table.has_demands() && self.peers.values().any(|peer| peer.attempts.iter().any(awaited))
    }

    fn ask(&mut self, now: Duration, id: PeerId, chunk: u32) {
        let askers = match self.table.state(chunk) {
            Some(State::Asked(askers)) => askers,
            _ => 0,
        };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        self.asked += usize::from(peer.attempts.is_empty());
        peer.attempts.push(Attempt::new(chunk, self.limits.blocks(chunk), now));
        self.table.set(chunk, State::Asked(askers + 1));
        self.under_way += u64::from(self.limits.length(chunk));
        if askers == 0 {
            self.actions.push_back(Action::Took(chunk));
        }
        self.ask_more(id);
    }

    /// A chunk that another peer lets wait and that `id`, who idles, has too; `demanded`: one that somebody waits for.
    fn take_over(&mut self, now: Duration, id: PeerId, demanded: bool) -> Option<u32> {
        let taker = self.peers.get(&id)?;
        if !taker.attempts.is_empty() || now < self.late_from {
            return None;
        }
        // What is asked for from now on is late after that.
        let mut late_from = now + URGENT;
        let mut oldest: Option<(Duration, PeerId, u32, bool)> = None;
        for (other, peer) in self.peers.iter().filter(|(other, _)| **other != id) {
            for attempt in &peer.attempts {
                let alone = self.table.state(attempt.chunk) == Some(State::Asked(1));
                let waits = now.saturating_sub(attempt.last);
                let patience = match (self.table.is_demanded(attempt.chunk), attempt.started()) {
                    (true, _) => URGENT,
                    (false, true) => SLOW,
                    (false, false) => PATIENCE,
                };
                let late = waits >= patience;
                late_from = late_from.min(attempt.last + patience);
                let fits = !demanded || self.table.is_demanded(attempt.chunk);
                if alone && late && fits && taker.has.has(attempt.chunk) {
                    let found = (attempt.last, *other, attempt.chunk, attempt.started());
                    oldest = oldest.filter(|oldest| oldest.0 <= found.0).or(Some(found));
                }
            }
        }
        self.late_from = late_from;
        let (_, other, chunk, started) = oldest?;
        if !started {
            self.cancel(other, chunk);
            self.give_up(chunk);
        }
        Some(chunk)
    }

    /// Takes back what was asked of `id`.
    fn cancel(&mut self, id: PeerId, chunk: u32) {
        let limits = self.limits;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(place) = peer.attempts.iter().position(|attempt| attempt.chunk == chunk) else { return };
        let attempt = peer.attempts.remove(place);
        for at in attempt.missing() {
            self.actions.push_back(Action::Tell(id, Talk::Cancel(limits.block(chunk, at))));
        }
        self.actions.push_back(Action::Forget(id, chunk));
    }

    /// Takes back what was asked of anybody for a chunk that is there.
    pub(super) fn cancel_all(&mut self, chunk: u32) {
        if !matches!(self.table.state(chunk), Some(State::Asked(_))) {
            return;
        }
        let asked = |peer: &super::Peer| peer.attempts.iter().any(|attempt| attempt.chunk == chunk);
        let ids: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| asked(peer)).map(|(id, _)| *id).collect();
        for id in ids {
            self.cancel(id, chunk);
            self.under_way = self.under_way.saturating_sub(u64::from(self.limits.length(chunk)));
            self.free.insert(id);
        }
    }

    /// One who was asked for `chunk` will not send it.
    pub(super) fn give_up(&mut self, chunk: u32) {
        if let Some(State::Asked(askers)) = self.table.state(chunk) {
            self.under_way = self.under_way.saturating_sub(u64::from(self.limits.length(chunk)));
            if askers > 1 {
                self.table.set(chunk, State::Asked(askers - 1));
            } else {
                self.reopen(chunk);
                self.actions.push_back(Action::Returned(chunk));
            }
        }
    }

    /// The peer answers no requests from now on. One that knows BEP 6 rejects each that it held.
    pub(super) fn choked(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.chokes_us = true;
        if !peer.greeting.fast {
            self.release(id);
        }
    }

    pub(super) fn rejected(&mut self, now: Duration, id: PeerId, block: Block) {
        let rest = REST.max(REST_EACH.saturating_mul(self.peers.len() as u32));
        let rest = rest.mul_f64(0.5 + self.random.f64());
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.rest_until = now + rest;
        if let Some(place) = peer.attempts.iter().position(|attempt| attempt.chunk == block.chunk) {
            peer.attempts.remove(place);
            self.actions.push_back(Action::Forget(id, block.chunk));
            self.give_up(block.chunk);
        }
    }

    /// Gives up all that was asked of a peer.
    fn release(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        for attempt in std::mem::take(&mut peer.attempts) {
            self.actions.push_back(Action::Forget(id, attempt.chunk));
            self.give_up(attempt.chunk);
        }
    }

    /// Peers that owe blocks and send none.
    pub(super) fn look_for_the_late(&mut self, now: Duration) {
        let stall = self.limits.stall;
        let late = |peer: &super::Peer| {
            let last = peer.attempts.iter().map(|attempt| attempt.last).max();
            last.is_some_and(|last| now.saturating_sub(last) >= stall)
        };
        let ids: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| late(peer)).map(|(id, _)| *id).collect();
        for id in ids {
            let chunks: Vec<u32> =
                self.peers.get(&id).into_iter().flat_map(|p| &p.attempts).map(|a| a.chunk).collect();
            for chunk in chunks {
                self.cancel(id, chunk);
                self.give_up(chunk);
            }
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            peer.stalls += 1;
            peer.rest_until = now + stall;
            let stalls = peer.stalls;
            if stalls >= self.limits.stalls {
                self.drop(id, Fall::Stalled(stalls));
            }
        }
    }
}
