//! Who is served next: whole chunks, few at a time.

use std::collections::VecDeque;
use std::time::Duration;

use super::Swarm;
use super::words::{Action, Block, Fall, PeerId, Talk};

/// Blocks given to one connection before the network has taken the first: the next one is at hand when it
/// has.
const AHEAD: u32 = 2;

/// A receiver that takes no block for so long is the bottleneck itself: another is served beside it.
const BLOCKED: Duration = Duration::from_millis(60);

/// Receivers served beside those that are blocked.
const BESIDE: usize = 8;

/// Who has waited so long comes before those who want a rarer chunk.
const LONG: Duration = Duration::from_millis(1000);

/// So many peers may wait for us or be served. Another is told at once that we are busy: its request would wait
/// here while a neighbour idles.
const CROWD: usize = 9;

/// Requests for the other blocks of a chunk that was rejected come in no later than that.
const AFTERMATH: Duration = Duration::from_millis(50);

/// A chunk on its way to one peer.
pub(super) struct Slot {
    pub(super) peer: PeerId,
    chunk: u32,
    handed: u32,
    /// When the network last took a block.
    moved: Duration,
}

impl Swarm {
    pub(super) fn interested(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.wants_us = true;
        self.serve_if_free(id);
    }

    pub(super) fn requested(&mut self, now: Duration, id: PeerId, block: Block) {
        let limits = self.limits;
        let length = limits.length(block.chunk);
        let end = block.begin.checked_add(block.length);
        let lawful = block.length > 0 && block.length <= MAX_REQUEST && end.is_some_and(|end| end <= length);
        if !lawful {
            return self.drop(id, Fall::Broken("it asks for bytes that the file has not"));
        }
        let have = self.table.stored().has(block.chunk);
        let busy = self.is_busy_for(now, id, block);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.we_choke || !have || busy || peer.queue.len() >= limits.queue {
            let fast = peer.greeting.fast;
            return if fast {
                self.actions.push_back(Action::Tell(id, Talk::Reject(block)));
            } else {
                self.noise(id);
            };
        }
        if peer.queue.is_empty() {
            peer.waits_since = now;
        }
        peer.queue.push_back(block);
        self.serving = true;
    }

    /// Whether `id` is one more than can be served soon. One that does not know BEP 6 would never learn of it,
    /// and the origin has told each what it shall ask for.
    fn is_busy_for(&mut self, now: Duration, id: PeerId, block: Block) -> bool {
        let crowd = self.peers.values().filter(|peer| !peer.queue.is_empty()).count();
        let served = self.slots.iter().any(|slot| slot.peer == id);
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        if !peer.greeting.fast || self.reveal.is_some() || self.trade.is_some() {
            return false;
        }
        // Once the first block of a chunk is rejected, the rest of it is wanted no more.
        let rest = peer.turned_away.is_some_and(|(chunk, at)| chunk == block.chunk && now < at + AFTERMATH);
        let busy = match rest && block.begin > 0 {
            true => true,
            false => peer.queue.is_empty() && !served && crowd >= CROWD,
        };
        if busy && !rest {
            peer.turned_away = Some((block.chunk, now));
        }
        busy
    }

    pub(super) fn cancelled(&mut self, id: PeerId, block: Block) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let before = peer.queue.len();
        self.serving = true;
        peer.queue.retain(|waiting| *waiting != block);
        if peer.queue.len() < before && peer.greeting.fast {
            self.actions.push_back(Action::Tell(id, Talk::Reject(block)));
        }
    }

    pub(super) fn sent(&mut self, now: Duration, id: PeerId, block: Block) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.took += u64::from(block.length);
        }
        self.serving = true;
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.peer == id) {
            slot.handed = slot.handed.saturating_sub(1);
            slot.moved = now;
        }
        if let Some(reveal) = &mut self.reveal {
            reveal.sent(id, block);
        }
    }

    /// Hands blocks to the network as it takes them.
    pub(super) fn pump(&mut self, now: Duration) {
        self.feed(now);
        loop {
            let blocked = self.slots.iter().filter(|slot| now.saturating_sub(slot.moved) >= BLOCKED).count();
            if self.slots.len() >= self.limits.uploads + blocked.min(BESIDE) {
                return;
            }
            let Some((peer, chunk)) = self.next_receiver(now) else { return };
            self.slots.push(Slot { peer, chunk, handed: 0, moved: now });
            self.feed(now);
        }
    }

    /// Gives each slot the blocks it may have, ends those that have none left.
    fn feed(&mut self, now: Duration) {
        let mut slots = std::mem::take(&mut self.slots);
        for slot in &mut slots {
            let Some(peer) = self.peers.get_mut(&slot.peer) else { continue };
            while slot.handed < AHEAD {
                let Some(block) = next_block(&mut peer.queue, slot.chunk) else { break };
                slot.handed += 1;
                peer.waits_since = now;
                self.actions.push_back(Action::Upload(slot.peer, block));
            }
        }
        slots.retain(|slot| slot.handed > 0);
        self.slots = slots;
    }

    /// Of those who wait: who wants the rarest chunk, or who has waited too long.
    fn next_receiver(&self, now: Duration) -> Option<(PeerId, u32)> {
        let waiting = self.peers.iter().filter(|(id, _)| !self.slots.iter().any(|slot| slot.peer == **id));
        let waiting =
            waiting.filter_map(|(id, peer)| Some((*id, peer.queue.front()?.chunk, peer.waits_since)));
        let key = |(_, chunk, since): &(PeerId, u32, Duration)| {
            let long = now.saturating_sub(*since) >= LONG;
            (if long { 0 } else { 1 + self.table.copies(*chunk) }, *since)
        };
        waiting.min_by_key(key).map(|(id, chunk, _)| (id, chunk))
    }
}

/// The longest request that is answered: mainline drops those who ask for more than 16 KiB, others allow
/// 128 KiB.
pub(super) const MAX_REQUEST: u32 = 128 << 10;

/// The first waiting block of `chunk`.
fn next_block(queue: &mut VecDeque<Block>, chunk: u32) -> Option<Block> {
    let place = queue.iter().position(|block| block.chunk == chunk)?;
    queue.remove(place)
}
