//! Peers that come, and peers that are looked for.

use std::net::SocketAddr;

use super::busy::Rumours;
use super::{Acquaintance, Hub, PeerShare, Turn};
use crate::error::Cause;
use crate::swarm::net::DIALLED;
use crate::swarm::net::dial::{Greeted, Side, dial};
use crate::swarm::net::introduce::{News, Word};
use crate::swarm::net::link::{Link, Out};
use crate::swarm::policy::{Event, Greeting, Manners, PeerId, QUEUE, Seeding};
use crate::swarm::wire::{Extended, OUR_BUSY_ID, OUR_METADATA_ID};

/// Connections that are being made at one time.
const DIALLING: usize = 16;

/// With fewer peers than that, and something missing, the tracker is asked again before its time.
const LONELY: usize = 2;

impl Hub {
    pub(super) fn learn(&mut self, news: News) {
        let now = self.now();
        self.introduced.get_or_insert(now);
        match news {
            News::Peers(peers) => peers.into_iter().for_each(|peer| self.book.add(peer)),
            News::Failed(failure) => self.turns.push_back(Turn::Failed(failure)),
        }
        self.dial();
    }

    /// Begins connections as long as there is room for them.
    pub(super) fn dial(&mut self) {
        let ours = self.peers.values().filter(|peer| peer.side == Side::Ours).count();
        let seed = self.swarm.stored().is_full();
        // A seed dials too: not every client that wants something can dial it without ado.
        let most = DIALLED.min(self.options.connections);
        let room = most.saturating_sub(ours + self.dials.len());
        let now = self.now();
        for _ in 0..room.min(DIALLING.saturating_sub(self.dials.len())) {
            let Some(address) = self.book.next(now) else { break };
            let (swarm, peer_id) = (self.subject.info.hash, self.options.port.peer_id());
            self.dials.spawn(async move { (address, dial(address, swarm, peer_id).await) });
        }
        if !seed && self.peers.len() < LONELY && self.dials.is_empty() {
            // It remembers one word at a time; more would say the same.
            let _ = self.words.try_send(Word::Hungry);
        }
    }

    pub(super) fn dialled(&mut self, address: SocketAddr, result: Result<Greeted, Cause>) {
        match result {
            Ok(greeted) => {
                self.book.connected(address);
                self.meet(greeted);
            }
            // A machine that was switched off is still in the tracker's list: no news.
            Err(_) => {
                let now = self.now();
                self.book.failed(now, address);
            }
        }
    }

    /// Two may have dialled each other at one moment: both sides keep the connection that the one with the
    /// lower id began.
    fn is_doubled(&mut self, greeted: &Greeted) -> bool {
        let theirs = greeted.handshake.peer_id;
        let other = self.peers.iter().find(|(_, peer)| peer.peer_id == theirs);
        let Some((id, side)) = other.map(|(id, peer)| (*id, peer.side)) else { return false };
        let kept = if self.options.port.peer_id() < theirs { Side::Ours } else { Side::Theirs };
        if side == kept && greeted.side != kept {
            return true;
        }
        self.lose(id);
        false
    }

    pub(super) fn meet(&mut self, greeted: Greeted) {
        let Greeted { address, handshake, side, .. } = greeted;
        if handshake.peer_id == self.options.port.peer_id() {
            if side == Side::Ours {
                self.book.settle(address);
            }
            return;
        }
        if self.book.is_banned(address.ip())
            || self.peers.len() >= self.options.connections
            || self.is_doubled(&greeted)
        {
            if side == Side::Ours {
                self.book.settle(address);
            }
            return;
        }
        let id = PeerId(self.next_peer);
        self.next_peer = self.next_peer.wrapping_add(1);
        let Ok(link) = Link::new(greeted.stream, id, self.subject.clone(), self.tell.clone()) else { return };
        let share = PeerShare {
            address,
            client: String::new(),
            received: 0,
            sent: 0,
            refused: 0,
            connected: true,
            has: 0,
        };
        let peer = Acquaintance {
            link,
            peer_id: handshake.peer_id,
            side,
            share,
            metadata_id: None,
            busy: Rumours::default(),
        };
        self.peers.insert(id, peer);
        if handshake.extended {
            self.introduce_to(id);
        }
        let greeting = Greeting { fast: handshake.fast, requests: REQUESTS, origin: false };
        self.handle(Event::Joined(id, greeting));
    }

    fn introduce_to(&mut self, id: PeerId) {
        let ours = Extended {
            metadata_id: Some(OUR_METADATA_ID),
            busy_id: (self.subject.manners == Manners::Fleet).then_some(OUR_BUSY_ID),
            metadata_size: u32::try_from(self.subject.info.bytes().len()).ok(),
            requests: Some(QUEUE as u32),
            client: Some(concat!("bootwright ", env!("CARGO_PKG_VERSION")).into()),
            port: Some(self.options.port.local().port()),
            origin: self.seeding == Seeding::Revealing,
        };
        self.say(id, Out::Extended(0, ours.to_bytes()));
    }
}

/// Requests that a peer is sure to hold when it does not say how many: the default of old clients.
const REQUESTS: u32 = 250;
