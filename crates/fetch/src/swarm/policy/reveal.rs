//! What the seed of a fleet tells to whom: each chunk to one machine, as long as that spreads it.
//!
//! The window is kept by what has left this host, not by what has come to others: the seed's uplink never
//! waits for a chunk to be passed on. A machine whose chunks do not spread gets fewer of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Swarm;
use super::words::{Action, Block, PeerId, Talk};

/// Chunks revealed and not yet sent, at first.
const WINDOW: usize = 8;

/// And at most.
const WINDOW_MAX: usize = 256;

/// A chunk that was revealed and has not been asked for in this time is revealed to another.
const UNASKED: Duration = Duration::from_millis(1500);

/// A chunk that less than half of the machines have and that does not spread for so long, at least, is revealed again.
const STUCK: Duration = Duration::from_millis(600);

/// And at most. What more have spreads without the origin sooner or later: it is given so long.
const STUCK_MAX: Duration = Duration::from_secs(2);

/// One chunk as the seed sees it.
#[derive(Clone, Default)]
struct Spread {
    /// Who was told of it first, until a second machine has it.
    holder: Option<PeerId>,
    reveals: u16,
    /// When it was last revealed, or last gained a copy.
    moved: Duration,
}

pub(super) struct Reveal {
    chunks: Vec<Spread>,
    /// Chunks that were never revealed and that nobody has.
    fresh: BTreeSet<u32>,
    /// Revealed and not sent: the bytes that are left, and since when.
    pending: BTreeMap<(PeerId, u32), (u32, Duration)>,
    /// Chunks revealed to a peer that nobody else has yet.
    unspread: BTreeMap<PeerId, u32>,
    window: usize,
    /// Something has been revealed.
    begun: bool,
    /// How long it takes until a second machine has a chunk: moving average in seconds.
    spreading: f64,
}

impl Reveal {
    pub(super) fn new(chunks: u32) -> Self {
        Self {
            chunks: vec![Spread::default(); chunks as usize],
            fresh: (0..chunks).collect(),
            pending: BTreeMap::new(),
            unspread: BTreeMap::new(),
            window: WINDOW,
            begun: false,
            spreading: 0.0,
        }
    }

    /// `peer` says that it has `chunk`, as `copies` now do.
    pub(super) fn has(&mut self, now: Duration, peer: PeerId, chunk: u32, copies: u16) {
        self.pending.remove(&(peer, chunk));
        self.fresh.remove(&chunk);
        let Some(spread) = self.chunks.get_mut(chunk as usize) else { return };
        if copies == 2 && spread.reveals > 0 {
            let took = now.saturating_sub(spread.moved).as_secs_f64();
            self.spreading += 0.1 * (took - self.spreading);
        }
        spread.moved = now;
        if copies >= 2
            && let Some(holder) = spread.holder.take()
        {
            self.relieve(holder);
        }
    }

    pub(super) fn sent(&mut self, peer: PeerId, block: Block) {
        if let Some((left, _)) = self.pending.get_mut(&(peer, block.chunk)) {
            *left = left.saturating_sub(block.length);
            if *left == 0 {
                self.pending.remove(&(peer, block.chunk));
            }
        }
    }

    pub(super) fn left(&mut self, peer: PeerId) {
        self.pending.retain(|(holder, _), _| *holder != peer);
        self.begun = !self.pending.is_empty();
        self.unspread.remove(&peer);
        for spread in &mut self.chunks {
            if spread.holder == Some(peer) {
                spread.holder = None;
            }
        }
    }

    fn relieve(&mut self, peer: PeerId) {
        if let Some(unspread) = self.unspread.get_mut(&peer) {
            *unspread = unspread.saturating_sub(1);
        }
    }

    fn stuck(&self) -> Duration {
        Duration::from_secs_f64(3.0 * self.spreading).clamp(STUCK, STUCK_MAX)
    }
}

impl Swarm {
    /// Tells chunks to machines as long as the window has room.
    pub(super) fn reveal(&mut self, now: Duration) {
        let Some(mut reveal) = self.reveal.take() else { return };
        reveal.pending.retain(|_, (_, since)| now.saturating_sub(*since) < UNASKED);
        let idle = self.slots.is_empty() && self.peers.values().all(|peer| peer.queue.is_empty());
        if idle && reveal.pending.is_empty() && reveal.begun && !reveal.fresh.is_empty() {
            reveal.window = (reveal.window * 2).min(WINDOW_MAX);
        }
        while reveal.pending.len() < reveal.window {
            let Some((id, chunk)) = self.next_reveal(now, &reveal) else { break };
            self.tell_of(now, &mut reveal, id, chunk);
        }
        self.reveal = Some(reveal);
    }

    fn tell_of(&mut self, now: Duration, reveal: &mut Reveal, id: PeerId, chunk: u32) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.told.insert(chunk);
        }
        reveal.begun = true;
        reveal.fresh.remove(&chunk);
        reveal.pending.insert((id, chunk), (self.limits.length(chunk), now));
        if let Some(spread) = reveal.chunks.get_mut(chunk as usize) {
            spread.reveals = spread.reveals.saturating_add(1);
            spread.moved = now;
            if self.table.copies(chunk) == 0 {
                spread.holder = Some(id);
                *reveal.unspread.entry(id).or_default() += 1;
            }
        }
        self.actions.push_back(Action::Tell(id, Talk::Have(chunk)));
    }

    /// The machine with the fewest chunks that are still to be spread, and a chunk for it.
    fn next_reveal(&mut self, now: Duration, reveal: &Reveal) -> Option<(PeerId, u32)> {
        let mut best: Option<(u32, u64, PeerId)> = None;
        for (id, peer) in &self.peers {
            if peer.has.is_full() || !peer.spoken && peer.greeting.fast {
                continue;
            }
            let load = reveal.unspread.get(id).copied().unwrap_or(0);
            let key = (load, self.random.u64(..), *id);
            if best.is_none_or(|best| key < best) && self.something_for(now, reveal, *id).is_some() {
                best = Some(key);
            }
        }
        let (_, _, id) = best?;
        Some((id, self.something_for(now, reveal, id)?))
    }

    fn something_for(&self, now: Duration, reveal: &Reveal, id: PeerId) -> Option<u32> {
        if let Some(fresh) = reveal.fresh.iter().next() {
            return Some(*fresh);
        }
        let peer = self.peers.get(&id)?;
        let stuck = reveal.stuck();
        let open = |chunk: &u32| {
            let spread = reveal.chunks.get(*chunk as usize);
            !peer.told.has(*chunk)
                && !peer.has.has(*chunk)
                && spread.is_some_and(|spread| {
                    let few = 2 * usize::from(self.table.copies(*chunk)) < self.peers.len();
                    let stuck = if few { stuck } else { STUCK_MAX };
                    now.saturating_sub(spread.moved) >= stuck
                })
        };
        (0..self.limits.chunks()).filter(open).min_by_key(|chunk| self.table.copies(*chunk))
    }
}
