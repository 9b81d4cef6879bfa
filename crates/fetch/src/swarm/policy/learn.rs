//! Peers that come and go, and what they say they have.

use std::time::Duration;

use super::Swarm;
use super::peer::Peer;
use super::table::State;
use super::words::{Action, Fall, Greeting, PeerId, Talk};
use crate::swarm::Bits;

impl Swarm {
    pub(super) fn joined(&mut self, id: PeerId, greeting: Greeting) {
        let chunks = self.limits.chunks();
        let mut peer = Peer::new(greeting, chunks);
        let stored = self.table.stored();
        let talk = match (&self.reveal, stored) {
            (Some(_), _) => greeting.fast.then_some(Talk::HaveNone),
            (None, stored) if stored.is_full() && greeting.fast => Some(Talk::HaveAll),
            (None, stored) if stored.is_empty() => greeting.fast.then_some(Talk::HaveNone),
            (None, stored) => Some(Talk::Bitfield(stored.clone())),
        };
        if self.reveal.is_none() {
            peer.told = stored.clone();
        }
        self.actions.extend(talk.map(|talk| Action::Tell(id, talk)));
        if self.trade.is_none() {
            // Nobody is choked; to say so before being asked saves everybody a round trip.
            peer.we_choke = false;
            self.actions.push_back(Action::Tell(id, Talk::Unchoke));
        }
        self.peers.insert(id, peer);
    }

    pub(super) fn left(&mut self, id: PeerId) {
        self.free.remove(&id);
        self.slots.retain(|slot| slot.peer != id);
        self.serving = true;
        let Some(mut peer) = self.peers.remove(&id) else { return };
        for attempt in std::mem::take(&mut peer.attempts) {
            self.give_up(attempt.chunk);
        }
        peer.has.iter().for_each(|chunk| self.table.lose(chunk));
        if let Some(reveal) = &mut self.reveal {
            reveal.left(id);
        }
    }

    pub(super) fn told(&mut self, now: Duration, id: PeerId, talk: Talk) {
        match talk {
            Talk::Choke => self.choked(id),
            Talk::Unchoke => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.chokes_us = false;
                    self.free.insert(id);
                }
            }
            Talk::Interested => self.interested(id),
            Talk::NotInterested => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.wants_us = false;
                }
            }
            Talk::Have(chunk) => self.have(now, id, chunk),
            Talk::Bitfield(bits) => self.bitfield(now, id, bits),
            Talk::HaveAll => self.bitfield(now, id, Bits::all(self.limits.chunks())),
            Talk::HaveNone => self.bitfield(now, id, Bits::none(self.limits.chunks())),
            Talk::Request(block) => self.requested(now, id, block),
            Talk::Cancel(block) => self.cancelled(id, block),
            Talk::Reject(block) => self.rejected(now, id, block),
        }
    }

    fn have(&mut self, now: Duration, id: PeerId, chunk: u32) {
        if chunk >= self.limits.chunks() {
            return self.drop(id, Fall::Broken("it has a chunk that the file has not"));
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.spoken = true;
        if !peer.has.insert(chunk) {
            return self.noise(id);
        }
        let (full, new) = (peer.has.is_full(), !peer.we_want);
        self.table.gain(chunk);
        if let Some(reveal) = &mut self.reveal {
            reveal.has(now, id, chunk, self.table.copies(chunk));
        }
        let wanted = new || self.table.state(chunk) == Some(State::Open);
        if wanted {
            self.care_for(id, chunk);
        }
        if full && self.table.stored().is_full() {
            self.part(id);
        }
    }

    /// BEP 3 has it come first and once. aria2 sends one in the place of many HAVEs, too: what it adds counts.
    fn bitfield(&mut self, now: Duration, id: PeerId, bits: Bits) {
        if bits.len() != self.limits.chunks() {
            return self.drop(id, Fall::Broken("a bitfield of another torrent"));
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let new: Vec<u32> = bits.iter().filter(|chunk| !peer.has.has(*chunk)).collect();
        if std::mem::replace(&mut peer.spoken, true) && new.is_empty() {
            return self.noise(id);
        }
        for chunk in &new {
            peer.has.insert(*chunk);
            self.table.gain(*chunk);
            if let Some(reveal) = &mut self.reveal {
                reveal.has(now, id, *chunk, self.table.copies(*chunk));
            }
        }
        let full = peer.has.is_full();
        if let Some(chunk) = new.into_iter().find(|chunk| !self.table.stored().has(*chunk)) {
            self.care_for(id, chunk);
        } else if full && self.table.stored().is_full() {
            self.part(id);
        }
    }

    /// A peer has a chunk: we may want it.
    fn care_for(&mut self, id: PeerId, chunk: u32) {
        if self.table.stored().has(chunk) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if !std::mem::replace(&mut peer.we_want, true) {
            self.actions.push_back(Action::Tell(id, Talk::Interested));
        }
        self.free.insert(id);
        self.stirred = true;
    }
}
