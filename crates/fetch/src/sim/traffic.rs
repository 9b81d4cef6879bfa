//! What hosts say and send, and how it travels.

use std::time::Duration;

use super::Grain;
use super::event::Happening;
use super::link::Item;
use super::world::{ORIGIN, World, nanos};
use crate::swarm::policy::{Action, Event, Got, PeerId, Talk};

/// Taking the digest of a chunk and writing it.
const VERIFY: u64 = 2_000_000;

impl World<'_> {
    pub(super) fn tell(&mut self, host: usize, event: Event) {
        let now = Duration::from_nanos(self.now);
        if let Some(swarm) = &mut self.hosts[host].swarm {
            swarm.handle(now, event);
        }
    }

    /// Carries out what the policy of `host` says.
    pub(super) fn act(&mut self, host: usize) {
        let now = Duration::from_nanos(self.now);
        while let Some(action) = self.hosts[host].swarm.as_mut().and_then(|swarm| swarm.poll(now)) {
            match action {
                Action::Tell(peer, talk) => self.say(host, peer, talk),
                Action::TellAll(talk) => self.say_all(host, talk),
                Action::Upload(peer, block) => self.put(host, peer, Item::Block(block)),
                Action::Drop(peer, _) => self.part(host, peer),
                Action::Forget(..) | Action::Took(_) | Action::Returned(_) => {}
            }
        }
    }

    fn say(&mut self, host: usize, peer: PeerId, talk: Talk) {
        match self.scenario.grain {
            Grain::Blocks => self.put(host, peer, Item::Talk(talk)),
            Grain::Quarters => {
                let Some(connection) = self.hosts[host].peers.get(&peer).copied() else { return };
                let way = self.way(connection, host);
                let latency = nanos(self.scenario.latency);
                self.after(latency, Happening::Deliver(connection, way, Item::Talk(talk)));
            }
        }
    }

    fn say_all(&mut self, host: usize, talk: Talk) {
        match self.scenario.grain {
            Grain::Blocks => {
                let peers: Vec<PeerId> = self.hosts[host].peers.keys().copied().collect();
                peers.into_iter().for_each(|peer| self.put(host, peer, Item::Talk(talk.clone())));
            }
            Grain::Quarters => {
                let life = self.hosts[host].life;
                self.after(nanos(self.scenario.latency), Happening::Broadcast(host, life, talk));
            }
        }
    }

    pub(super) fn broadcast(&mut self, host: usize, life: u32, talk: &Talk) {
        if self.hosts[host].life != life {
            return;
        }
        let peers: Vec<(PeerId, usize)> =
            self.hosts[host].peers.iter().map(|(peer, c)| (*peer, *c)).collect();
        for (peer, connection) in peers {
            let ends = self.connections[connection].ends;
            let other = if ends[0] == host { ends[1] } else { ends[0] };
            self.tell(other, Event::Told(peer, talk.clone()));
            self.act(other);
        }
    }

    /// The stream of `connection` that leads away from `host`.
    fn way(&self, connection: usize, host: usize) -> usize {
        usize::from(self.connections[connection].ends[0] != host)
    }

    fn put(&mut self, host: usize, peer: PeerId, item: Item) {
        let Some(connection) = self.hosts[host].peers.get(&peer).copied() else { return };
        let way = self.way(connection, host);
        self.connections[connection].streams[way].unsent.push_back(item);
        self.try_send(connection, way);
    }

    pub(super) fn try_send(&mut self, connection: usize, way: usize) {
        let host = self.connections[connection].ends[way];
        let stream = &mut self.connections[connection].streams[way];
        if stream.ready() && !std::mem::replace(&mut stream.waits, true) {
            self.hosts[host].ring.push_back(2 * connection + way);
            self.send_waiting(host);
        }
    }

    /// Streams take turns at the uplink as long as its queue has room.
    pub(super) fn send_waiting(&mut self, host: usize) {
        let room = nanos(self.scenario.queue);
        let mut sent = Vec::new();
        while let Some(turn) = self.hosts[host].ring.pop_front() {
            let backlog = self.hosts[host].up.backlog(self.now);
            if backlog > room {
                self.hosts[host].ring.push_front(turn);
                if !std::mem::replace(&mut self.hosts[host].uplink_wakes, true) {
                    self.after(backlog - room, Happening::Uplink(host));
                }
                break;
            }
            let (connection, way) = (turn / 2, turn % 2);
            let stream = &mut self.connections[connection].streams[way];
            let Some(item) = stream.go() else { continue };
            stream.waits = stream.ready();
            if stream.waits {
                self.hosts[host].ring.push_back(turn);
            }
            let leaves = self.hosts[host].up.put(self.now, item.bytes());
            if let Item::Block(block) = item {
                self.course.sent(host, item.bytes());
                sent.push((PeerId(connection as u32), block));
            }
            self.at(leaves + nanos(self.scenario.latency), Happening::Arrive(connection, way, item));
        }
        if !sent.is_empty() {
            for (peer, block) in sent {
                self.count(host, block.length);
                self.tell(host, Event::Sent(peer, block));
            }
            self.act(host);
        }
    }

    fn count(&mut self, host: usize, bytes: u32) {
        if host == ORIGIN {
            self.origin_bytes += u64::from(bytes);
        }
    }

    pub(super) fn arrive(&mut self, connection: usize, way: usize, item: Item) {
        let receiver = self.connections[connection].ends[1 - way];
        if self.hosts[receiver].down.backlog(self.now) > nanos(self.scenario.queue) {
            self.connections[connection].streams[way].overflowed();
        }
        let comes = self.hosts[receiver].down.put(self.now, item.bytes());
        self.at(comes, Happening::Deliver(connection, way, item));
    }

    pub(super) fn deliver(&mut self, connection: usize, way: usize, item: Item) {
        let bytes = item.bytes();
        let exact = self.scenario.grain == Grain::Blocks || matches!(item, Item::Block(_));
        if exact {
            self.after(nanos(self.scenario.latency), Happening::Acknowledge(connection, way, bytes));
        }
        if !self.connections[connection].open {
            return;
        }
        let host = self.connections[connection].ends[1 - way];
        let peer = PeerId(connection as u32);
        match item {
            Item::Talk(talk) => self.tell(host, Event::Told(peer, talk)),
            Item::Block(block) => {
                if self.connections[connection].ends[way] == ORIGIN {
                    self.origin_gave += u64::from(block.length);
                }
                let now = Duration::from_nanos(self.now);
                let got = self.hosts[host].swarm.as_mut().map(|swarm| swarm.arrived(now, peer, block));
                let life = self.hosts[host].life;
                match got {
                    Some(Got::Whole) => self.after(VERIFY, Happening::Verified(host, life, block.chunk)),
                    Some(Got::Part) => {}
                    _ => self.wasted += u64::from(block.length),
                }
            }
        }
        self.act(host);
        if self.scenario.origin_dies && self.origin_gave >= self.scenario.size {
            self.kill(ORIGIN);
        }
    }

    pub(super) fn verified(&mut self, host: usize, chunk: u32) {
        self.hosts[host].stored.insert(chunk);
        self.course.stored(chunk);
        if self.hosts[host].stored.is_full() && self.hosts[host].done.is_none() {
            self.hosts[host].done = Some(self.now);
        }
        self.tell(host, Event::Stored(chunk));
        self.act(host);
    }
}
