//! Machines of a fleet that spare a mirror together: who is told to come back later says so to the others.
//!
//! A machine tells what it was told itself, never what it has heard: a lie does not spread. What is heard is a reason
//! to take from peers for a while and no more than that, see [`HEARSAY_MAX`](crate::HEARSAY_MAX).

use std::time::Duration;

use super::{Hub, Turn};
use crate::source::MirrorKey;
use crate::swarm::net::link::Out;
use crate::swarm::policy::{Manners, PeerId};
use crate::swarm::wire::Busy;

/// Words of busy mirrors that are taken from one peer: a few mirrors in as many hours. More are passed over.
const WORDS: u32 = 100;

/// Mirrors that are remembered as busy: more than a manifest names.
const MIRRORS: usize = 64;

/// What one peer and we say of busy mirrors.
#[derive(Debug, Default)]
pub(super) struct Rumours {
    /// The number under which it takes such words, when it does.
    id: Option<u8>,
    /// Words taken from it.
    heard: u32,
}

impl Hub {
    /// A mirror has told us to come back after `wait`: the peers should know.
    pub(crate) fn busy(&mut self, mirror: MirrorKey, wait: Duration) {
        if self.subject.manners != Manners::Fleet {
            return;
        }
        let now = self.now();
        self.busy.retain(|_, until| *until > now);
        if self.busy.len() < MIRRORS || self.busy.contains_key(&mirror) {
            self.busy.insert(mirror, now + wait);
        }
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.tell_of_busy(peer, Busy { mirror, wait }));
    }

    /// A peer says under which number it takes such words: it hears what is still true.
    pub(super) fn hears_of_busy(&mut self, id: PeerId, number: Option<u8>) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.busy.id = number;
        }
        let now = self.now();
        let busy = self.busy.iter().filter(|(_, until)| **until > now);
        let words: Vec<Busy> =
            busy.map(|(mirror, until)| Busy { mirror: *mirror, wait: *until - now }).collect();
        words.into_iter().for_each(|word| self.tell_of_busy(id, word));
    }

    fn tell_of_busy(&mut self, id: PeerId, word: Busy) {
        if let Some(number) = self.peers.get(&id).and_then(|peer| peer.busy.id) {
            self.say(id, Out::Extended(number, word.to_bytes()));
        }
    }

    /// A peer has such a word for us.
    pub(super) fn told_of_busy(&mut self, id: PeerId, payload: &[u8]) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.busy.heard < WORDS) else { return };
        peer.busy.heard += 1;
        if let Some(told) = Busy::read(payload)
            && self.subject.manners == Manners::Fleet
        {
            self.turns.push_back(Turn::Busy { peer: id, told });
        }
    }
}
