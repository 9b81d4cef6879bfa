//! Who asks whom for what, and who is served next: a state machine without I/O or clock.
//!
//! The [`Swarm`] is one machine's part in the swarm of one file. It is told what happened ([`Event`]) and
//! says what to do ([`Action`]), as the [scheduler](crate::schedule) does for mirrors; the
//! [simulation](crate::sim) runs the same code for ten thousand machines that the network runs for one.
//!
//! It is written for machines of one fleet that want the last of them to be done soon: nobody is choked,
//! nothing is paid back. Among strangers it [trades](trade) beside that. What decides the time is that no uplink
//! idles while somebody waits for a chunk that it could send, so:
//!
//! - [asking](ask): the rarest chunk first, equal ones at random. A peer is asked for the next chunk when it
//!   owes less than it sends in one round trip, so that requests do not wait at a busy machine while its
//!   neighbour idles. A request that has waited, unserved, moves to a peer that is free. At the end, a chunk
//!   that comes slowly is asked of a second peer, and the slower answer is cancelled.
//! - [serving](serve): whole chunks, few at a time, the rarest first: who receives one whole can pass it on
//!   at once, who receives a tenth of ten cannot.
//! - [revealing](reveal): a seed of a fleet tells each chunk to one machine, so that it leaves the seed
//!   nearly once, and tells it again only when it does not spread.
//!
//! One chunk is asked of one peer as a whole: it is known who sent a damaged one.

mod ask;
mod learn;
mod peer;
mod reveal;
mod serve;
mod table;
#[cfg(test)]
mod tests;
mod trade;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use peer::Peer;
use reveal::Reveal;
use serve::Slot;
use table::{State, Table};
use trade::Trade;
pub use words::{
    Action, BLOCK, Block, Event, Fall, Got, Greeting, Limits, Manners, Order, PeerId, QUEUE, Talk, UNDER_WAY,
};

use super::Bits;

/// How often [`Swarm::poll`] wants to be called when nothing happens: it looks for what is late.
pub const TICK: Duration = Duration::from_millis(50);

/// Messages without use that a peer may send: standard clients repeat themselves a little.
const NOISE: u32 = 10_000;

/// What a seed tells those who join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeding {
    /// Everything it has.
    Plain,
    /// Each chunk to one machine at first (super-seeding).
    Revealing,
}

/// One machine's part in the swarm of one file.
pub struct Swarm {
    limits: Limits,
    random: fastrand::Rng,
    table: Table,
    peers: BTreeMap<PeerId, Peer>,
    /// Peers that may have become free to be asked.
    free: BTreeSet<PeerId>,
    slots: Vec<Slot>,
    reveal: Option<Reveal>,
    /// Among strangers alone.
    trade: Option<Trade>,
    actions: VecDeque<Action>,
    under_way: u64,
    /// Peers that owe us something, while more are asked.
    asked: usize,
    /// Nobody lets us wait too long before then.
    late_from: Duration,
    /// What is waited for from us has changed since the last look.
    serving: bool,
    next_tick: Duration,
    /// Something has changed since the last look.
    stirred: bool,
}

impl Swarm {
    /// For a file of which `stored` is there already. The same `seed` and the same events give the same
    /// actions.
    pub fn new(limits: Limits, stored: Bits, seeding: Seeding, seed: u64) -> Self {
        let reveal = (seeding == Seeding::Revealing).then(|| Reveal::new(limits.chunks()));
        Self {
            limits,
            random: fastrand::Rng::with_seed(seed),
            table: Table::new(stored),
            peers: BTreeMap::new(),
            free: BTreeSet::new(),
            slots: Vec::new(),
            reveal,
            trade: (limits.manners == Manners::Strangers).then(Trade::default),
            actions: VecDeque::new(),
            under_way: 0,
            asked: 0,
            late_from: Duration::ZERO,
            serving: false,
            next_tick: Duration::ZERO,
            stirred: false,
        }
    }

    /// The limits it was made with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What is stored here.
    pub fn stored(&self) -> &Bits {
        self.table.stored()
    }

    /// What a peer has said it has.
    pub fn has(&self, peer: PeerId) -> Option<&Bits> {
        self.peers.get(&peer).map(|peer| &peer.has)
    }

    /// Number of connected peers.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// Chunks come in this order from now on.
    pub fn set_order(&mut self, order: Order) {
        self.table.order = order;
    }

    /// These chunks are wanted before all others: somebody waits for them.
    pub fn demand(&mut self, chunks: impl IntoIterator<Item = u32>) {
        self.table.demand(chunks);
        self.stirred = true;
        self.late_from = Duration::ZERO;
        self.free.extend(self.peers.keys());
    }

    /// What is not demanded is wanted about in this order, and what is not in it comes after that. Replaces
    /// the order that was given before.
    pub fn prefer(&mut self, chunks: impl IntoIterator<Item = u32>) {
        self.table.prefer(chunks);
        self.free.extend(self.peers.keys());
    }

    /// What is neither demanded nor preferred is not asked for any more, or is again.
    pub fn hold(&mut self, held: bool) {
        if std::mem::replace(&mut self.table.held, held) && !held {
            self.stirred = true;
            self.free.extend(self.peers.keys());
        }
    }

    /// Whether another machine is connected that wants the file too: a peer that has not all of it and is not
    /// the origin.
    pub fn has_company(&self) -> bool {
        self.peers.values().any(|peer| !peer.has.is_full() && !peer.greeting.origin)
    }

    /// Whether peers have been asked for chunks that are still to come.
    pub fn is_receiving(&self) -> bool {
        self.under_way > 0
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Duration, event: Event) {
        // Most of what a large fleet says is of no use to most of it.
        self.stirred |= self.reveal.is_some() || !matches!(event, Event::Told(_, Talk::Have(_)));
        match event {
            Event::Joined(peer, greeting) => self.joined(peer, greeting),
            Event::Introduced(peer, requests, origin) => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.greeting.requests = requests.unwrap_or(peer.greeting.requests);
                    peer.greeting.origin = origin;
                }
            }
            Event::Left(peer) => self.left(peer),
            Event::Told(peer, talk) => self.told(now, peer, talk),
            Event::Sent(peer, block) => self.sent(now, peer, block),
            Event::Stored(chunk) => self.stored_chunk(chunk),
            Event::Refused(peer, chunk) => self.refused(peer, chunk),
            Event::Claimed(chunk) => {
                self.cancel_all(chunk);
                if matches!(self.table.state(chunk), Some(State::Open | State::Asked(_))) {
                    self.table.set(chunk, State::Claimed);
                }
            }
            Event::Released(chunk) => {
                if self.table.state(chunk) == Some(State::Claimed) {
                    self.reopen(chunk);
                }
            }
        }
    }

    /// The next thing to do at `now`; `None` until the next event or [`TICK`].
    pub fn poll(&mut self, now: Duration) -> Option<Action> {
        if self.actions.is_empty() && (self.stirred || now >= self.next_tick) {
            self.stirred = false;
            if now >= self.next_tick {
                self.next_tick = now + TICK;
                self.look_for_the_late(now);
                self.free.extend(self.peers.keys());
                self.trade(now);
                self.serving = true;
            }
            self.fill(now);
            self.reveal(now);
            if std::mem::take(&mut self.serving) {
                self.pump(now);
            }
        }
        self.actions.pop_front()
    }

    /// Whether chunk `index` is open: neither there nor asked of anybody.
    pub fn is_open(&self, chunk: u32) -> bool {
        self.table.state(chunk) == Some(State::Open)
    }

    fn stored_chunk(&mut self, chunk: u32) {
        if self.table.state(chunk) == Some(State::Stored) {
            return;
        }
        self.landed(chunk);
        self.cancel_all(chunk);
        self.table.set(chunk, State::Stored);
        for peer in self.peers.values_mut() {
            peer.told.insert(chunk);
        }
        self.actions.push_back(Action::TellAll(Talk::Have(chunk)));
        if self.table.stored().is_full() {
            self.complete();
        }
    }

    /// Nothing is wanted any more.
    fn complete(&mut self) {
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if std::mem::replace(&mut peer.we_want, false) {
                self.actions.push_back(Action::Tell(id, Talk::NotInterested));
            }
            if self.peers.get(&id).is_some_and(|peer| peer.has.is_full()) {
                self.part(id);
            }
        }
    }

    fn refused(&mut self, id: PeerId, chunk: u32) {
        if self.table.state(chunk) == Some(State::Arrived) {
            self.landed(chunk);
            self.reopen(chunk);
            self.actions.push_back(Action::Returned(chunk));
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.damaged += 1;
        let damaged = peer.damaged;
        // It is not asked for it again.
        if peer.has.remove(chunk) {
            self.table.lose(chunk);
        }
        if damaged >= self.limits.damaged {
            self.drop(id, Fall::Damaged(damaged));
        }
    }

    /// A chunk has been verified: its bytes are in memory no longer.
    fn landed(&mut self, chunk: u32) {
        if self.table.state(chunk) == Some(State::Arrived) {
            self.under_way = self.under_way.saturating_sub(u64::from(self.limits.length(chunk)));
        }
    }

    fn reopen(&mut self, chunk: u32) {
        self.table.set(chunk, State::Open);
        self.free.extend(self.peers.keys());
    }

    fn noise(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.noise += 1;
        if peer.noise > NOISE {
            self.drop(id, Fall::Noise);
        }
    }

    /// Two that have everything have nothing to say to each other.
    fn part(&mut self, id: PeerId) {
        self.drop(id, Fall::Done);
    }

    fn drop(&mut self, id: PeerId, why: Fall) {
        if self.peers.contains_key(&id) {
            self.left(id);
            self.actions.push_back(Action::Drop(id, why));
        }
    }
}
