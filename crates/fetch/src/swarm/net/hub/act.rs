//! What links tell, and what the policy says.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bootwright_image::torrent::Info;
use bytes::Bytes;

use super::{BATCH, Hub, REMEMBERED, Turn};
use crate::error::{Cause, Failure};
use crate::swarm::net::link::{In, Out, name};
use crate::swarm::policy::{Action, Block, Event, Fall, Got, PeerId};
use crate::swarm::wire::{Extended, METADATA_PIECE, Message, Metadata, OUR_BUSY_ID, OUR_METADATA_ID};

impl Hub {
    /// Takes in one message, and those that wait behind it.
    pub(super) fn take_in(&mut self, peer: PeerId, told: In) {
        self.take_in_one(peer, told);
        for _ in 1..BATCH {
            let Ok((peer, told)) = self.inbox.try_recv() else { return };
            self.take_in_one(peer, told);
        }
    }

    fn take_in_one(&mut self, peer: PeerId, told: In) {
        match told {
            In::Message(Message::Talk(talk)) => self.handle(Event::Told(peer, talk)),
            In::Message(Message::Piece(block, bytes)) => self.take_block(peer, block, bytes),
            In::Message(Message::Extended(id, payload)) => self.extended(peer, id, &payload),
            In::Message(Message::KeepAlive | Message::Other(_)) => {}
            In::Sent(block) => {
                self.accounts.uploaded.fetch_add(block.length.into(), Ordering::Relaxed);
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.share.sent += u64::from(block.length);
                }
                self.handle(Event::Sent(peer, block));
            }
            In::Store(offset, error) => {
                self.turns.push_back(Turn::Store(offset, error));
                self.lose(peer);
            }
            In::Closed(cause) => {
                self.report(peer, cause);
                self.lose(peer);
            }
        }
    }

    fn take_block(&mut self, peer: PeerId, block: Block, bytes: Bytes) {
        let now = self.now();
        let got = self.swarm.arrived(now, peer, block);
        if got == Got::Unwanted {
            return;
        }
        self.fed = now;
        let limits = self.swarm.limits();
        let blocks = limits.blocks(block.chunk) as usize;
        let at = (block.begin / limits.block.max(1)) as usize;
        let parts = self.parts.entry((peer, block.chunk)).or_insert_with(|| vec![None; blocks]);
        if let Some(part) = parts.get_mut(at) {
            *part = Some(bytes);
        }
        if got == Got::Whole {
            let parts = self.parts.remove(&(peer, block.chunk)).unwrap_or_default();
            let pieces = parts.into_iter().flatten().collect();
            self.turns.push_back(Turn::Arrived { peer, chunk: block.chunk, pieces });
        }
    }

    /// Carries out what the policy says.
    pub(super) fn act(&mut self) {
        self.release_held();
        while let Some(action) = self.swarm.poll(self.started.elapsed()) {
            match action {
                Action::Tell(peer, talk) => self.say(peer, Out::Talk(talk)),
                Action::TellAll(talk) => {
                    let peers: Vec<PeerId> = self.peers.keys().copied().collect();
                    peers.into_iter().for_each(|peer| self.say(peer, Out::Talk(talk.clone())));
                }
                Action::Upload(peer, block) if self.options.upload_rate.is_some() => {
                    self.held.push_back((peer, block));
                }
                Action::Upload(peer, block) => self.say(peer, Out::Block(block)),
                Action::Forget(peer, chunk) => {
                    self.parts.remove(&(peer, chunk));
                }
                Action::Took(chunk) => self.turns.push_back(Turn::Took(chunk)),
                Action::Returned(chunk) => self.turns.push_back(Turn::Returned(chunk)),
                Action::Drop(peer, why) => self.fall(peer, why),
            }
        }
        self.release_held();
    }

    /// Blocks leave one by one, at the rate that is allowed.
    fn release_held(&mut self) {
        let Some(rate) = self.options.upload_rate else { return };
        let now = self.now();
        while self.next_upload <= now {
            let Some((peer, block)) = self.held.pop_front() else { return };
            let took = Duration::from_secs_f64(f64::from(block.length) / rate.max(1) as f64);
            self.next_upload = self.next_upload.max(now) + took;
            self.say(peer, Out::Block(block));
        }
    }

    /// A peer that takes no messages has too many waiting.
    pub(super) fn say(&mut self, id: PeerId, out: Out) {
        let Some(peer) = self.peers.get(&id) else { return };
        if !peer.link.say(out) {
            self.handle(Event::Left(id));
            self.fall(id, Fall::Noise);
        }
    }

    fn fall(&mut self, peer: PeerId, why: Fall) {
        let address = self.peers.get(&peer).map(|peer| peer.share.address);
        match (why, address) {
            (Fall::Done, Some(address)) => self.book.settle(address),
            (Fall::Damaged(_), Some(address)) => self.book.ban(address.ip()),
            _ => {}
        }
        if why != Fall::Done {
            self.report(peer, Cause::Peer(why));
        }
        self.lose(peer);
    }

    /// Tells the driver, when somebody wants something of peers.
    fn report(&mut self, peer: PeerId, cause: Cause) {
        let Some(peer) = self.peers.get(&peer) else { return };
        if self.swarm.stored().is_full() && !matches!(cause, Cause::Peer(_) | Cause::Wire(_)) {
            return;
        }
        let source_name = name(peer.share.address, &peer.share.client).into();
        let failure = Failure { source_name, address: None, offset: None, cause };
        self.turns.push_back(Turn::Failed(failure));
    }

    /// The connection has ended.
    pub(super) fn lose(&mut self, id: PeerId) {
        let Some(peer) = self.peers.remove(&id) else { return };
        self.handle(Event::Left(id));
        self.parts.retain(|(peer, _), _| *peer != id);
        self.held.retain(|(peer, _)| *peer != id);
        let now = self.now();
        self.book.failed(now, peer.share.address);
        if (peer.share.received > 0 || peer.share.sent > 0 || peer.share.refused > 0)
            && self.left.len() < REMEMBERED
        {
            self.left.push(super::PeerShare { connected: false, ..peer.share });
        }
    }

    fn extended(&mut self, id: PeerId, number: u8, payload: &[u8]) {
        match number {
            0 => {
                let Ok(told) = Extended::read(payload) else { return };
                let Some(peer) = self.peers.get_mut(&id) else { return };
                peer.metadata_id = told.metadata_id;
                peer.share.client = told.client.unwrap_or_default();
                let address = peer.share.address;
                if let Some(port) = told.port {
                    let mut listens = address;
                    listens.set_port(port);
                    self.book.settle(listens);
                }
                self.handle(Event::Introduced(id, told.requests, told.origin));
                self.hears_of_busy(id, told.busy_id);
            }
            OUR_METADATA_ID => self.metadata(id, payload),
            OUR_BUSY_ID => self.told_of_busy(id, payload),
            _ => {}
        }
    }

    /// Answers a request for the info dictionary (BEP 9).
    fn metadata(&mut self, id: PeerId, payload: &[u8]) {
        let Ok(Some(Metadata::Request(piece))) = Metadata::read(payload) else { return };
        let Some(number) = self.peers.get(&id).and_then(|peer| peer.metadata_id) else { return };
        let info: &Info = &self.subject.info;
        let start = (piece as usize).saturating_mul(METADATA_PIECE);
        let rest = info.bytes().get(start..).filter(|rest| !rest.is_empty());
        let answer = match rest {
            Some(rest) => {
                let data = rest.get(..METADATA_PIECE).unwrap_or(rest);
                // An info dictionary is a few MiB at most.
                Metadata::Data(piece, info.bytes().len() as u32, data)
            }
            None => Metadata::Reject(piece),
        };
        self.say(id, Out::Extended(number, answer.to_bytes()));
    }
}
