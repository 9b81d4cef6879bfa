//! Hosts, connections and the events between them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use super::event::{Connection, Due, Happening, Host};
use super::link::{Item, Pipe, Stream};
use super::{Grain, Link, Outcome, Scenario};
use crate::swarm::Bits;
use crate::swarm::policy::{Action, Event, Got, Greeting, Limits, PeerId, Seeding, Swarm, TICK, Talk};

/// Taking the digest of a chunk and writing it.
const VERIFY: u64 = 2_000_000;

/// A fleet that gets nowhere is left after that long.
const END: u64 = 3_600_000_000_000;

/// The origin among the hosts.
const ORIGIN: usize = 0;

pub(super) struct World<'a> {
    scenario: &'a Scenario,
    limits: Limits,
    random: fastrand::Rng,
    now: u64,
    sequence: u64,
    queue: BinaryHeap<Due>,
    hosts: Vec<Host>,
    connections: Vec<Connection>,
    started: Vec<usize>,
    origin_bytes: u64,
    /// Bytes of the origin that have come to a machine.
    origin_gave: u64,
    wasted: u64,
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        let mut limits = Limits::new(scenario.size, scenario.chunk);
        if scenario.grain == Grain::Quarters {
            limits.block = (scenario.chunk / 4).max(1);
        }
        let chunks = limits.chunks();
        let host = |link: &Link, stored| Host {
            up: Pipe::new(link.up),
            down: Pipe::new(link.down),
            swarm: None,
            stored,
            peers: BTreeMap::new(),
            ring: VecDeque::new(),
            uplink_wakes: false,
            done: None,
            life: 0,
        };
        let mut hosts = vec![host(&scenario.origin, Bits::all(chunks))];
        hosts.extend(scenario.machines.iter().map(|machine| host(&machine.link, Bits::none(chunks))));
        let mut world = Self {
            scenario,
            limits,
            random: fastrand::Rng::with_seed(scenario.seed),
            now: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            hosts,
            connections: Vec::new(),
            started: Vec::new(),
            origin_bytes: 0,
            origin_gave: 0,
            wasted: 0,
        };
        world.at(0, Happening::Start(ORIGIN));
        for (at, machine) in scenario.machines.iter().enumerate() {
            world.at(nanos(machine.start), Happening::Start(at + 1));
            if let Some((when, away)) = machine.killed {
                world.at(nanos(when), Happening::Kill(at + 1, nanos(away)));
            }
        }
        world
    }

    pub(super) fn run(mut self) -> Outcome {
        while let Some(Due { time: Reverse((time, _)), happening }) = self.queue.pop() {
            self.now = time;
            if time > END || self.hosts.iter().skip(1).all(|host| host.done.is_some()) {
                break;
            }
            self.happen(happening);
        }
        let done = self.hosts.iter().skip(1).map(|host| host.done.map(Duration::from_nanos)).collect();
        Outcome { done, origin_bytes: self.origin_bytes, wasted: self.wasted }
    }

    fn at(&mut self, time: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.push(Due { time: Reverse((time, self.sequence)), happening });
    }

    fn after(&mut self, delay: u64, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start(host) => self.start(host),
            Happening::Kill(host, away) => {
                self.kill(host);
                self.after(away, Happening::Start(host));
            }
            Happening::Connect(from, to, lives) => self.connect(from, to, lives),
            Happening::Tick(host, life) => {
                if self.hosts[host].life == life && self.hosts[host].swarm.is_some() {
                    self.act(host);
                    self.after(nanos(TICK), Happening::Tick(host, life));
                }
            }
            Happening::Uplink(host) => {
                self.hosts[host].uplink_wakes = false;
                self.send_waiting(host);
            }
            Happening::Arrive(connection, way, item) => self.arrive(connection, way, item),
            Happening::Deliver(connection, way, item) => self.deliver(connection, way, item),
            Happening::Acknowledge(connection, way, bytes) => {
                self.connections[connection].streams[way].acknowledged(bytes);
                self.try_send(connection, way);
            }
            Happening::Verified(host, life, chunk) => {
                if self.hosts[host].life == life {
                    self.verified(host, chunk);
                }
            }
            Happening::Broadcast(host, life, talk) => self.broadcast(host, life, &talk),
        }
    }

    fn start(&mut self, host: usize) {
        let seeding = if host == ORIGIN { Seeding::Revealing } else { Seeding::Plain };
        let stored = self.hosts[host].stored.clone();
        self.hosts[host].swarm = Some(Swarm::new(self.limits, stored, seeding, self.random.u64(..)));
        self.hosts[host].life += 1;
        let life = self.hosts[host].life;
        let mut others = self.started.clone();
        self.random.shuffle(&mut others);
        let dead_or_self = |other: &usize| *other == host || *other == ORIGIN;
        others.retain(|other| !dead_or_self(other));
        others.truncate(self.scenario.connections);
        if host != ORIGIN {
            others.insert(0, ORIGIN);
        }
        for other in others {
            let lives = [life, self.hosts[other].life];
            self.after(3 * nanos(self.scenario.latency), Happening::Connect(host, other, lives));
        }
        self.started.push(host);
        let jitter = self.random.u64(..nanos(TICK));
        self.after(jitter, Happening::Tick(host, life));
    }

    fn kill(&mut self, host: usize) {
        if self.hosts[host].done.is_some() {
            return;
        }
        self.hosts[host].swarm = None;
        self.hosts[host].life += 1;
        self.started.retain(|other| *other != host);
        let peers = std::mem::take(&mut self.hosts[host].peers);
        for (peer, connection) in peers {
            self.connections[connection].open = false;
            let ends = self.connections[connection].ends;
            let other = if ends[0] == host { ends[1] } else { ends[0] };
            if self.hosts[other].peers.remove(&peer).is_some() {
                self.tell(other, Event::Left(peer));
                self.act(other);
            }
        }
    }

    fn connect(&mut self, from: usize, to: usize, lives: [u32; 2]) {
        let most = |host| {
            if host == ORIGIN { self.scenario.origin_connections } else { 2 * self.scenario.connections }
        };
        let alive = [from, to].iter().zip(lives).all(|(host, life)| self.hosts[*host].life == life);
        if !alive || self.hosts[to].peers.len() >= most(to) || self.hosts[to].swarm.is_none() {
            return;
        }
        let id = PeerId(self.connections.len() as u32);
        self.connections.push(Connection {
            ends: [from, to],
            streams: [Stream::new(), Stream::new()],
            open: true,
        });
        for (host, other) in [(from, to), (to, from)] {
            self.hosts[host].peers.insert(id, id.0 as usize);
            let greeting = Greeting { fast: true, requests: 500, origin: other == ORIGIN };
            self.tell(host, Event::Joined(id, greeting));
        }
        self.act(from);
        self.act(to);
    }

    fn tell(&mut self, host: usize, event: Event) {
        let now = Duration::from_nanos(self.now);
        if let Some(swarm) = &mut self.hosts[host].swarm {
            swarm.handle(now, event);
        }
    }

    /// Carries out what the policy of `host` says.
    fn act(&mut self, host: usize) {
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

    fn broadcast(&mut self, host: usize, life: u32, talk: &Talk) {
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

    fn part(&mut self, host: usize, peer: PeerId) {
        let Some(connection) = self.hosts[host].peers.remove(&peer) else { return };
        self.connections[connection].open = false;
        let ends = self.connections[connection].ends;
        let other = if ends[0] == host { ends[1] } else { ends[0] };
        if self.hosts[other].peers.remove(&peer).is_some() {
            self.tell(other, Event::Left(peer));
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

    fn try_send(&mut self, connection: usize, way: usize) {
        let host = self.connections[connection].ends[way];
        let stream = &mut self.connections[connection].streams[way];
        if stream.ready() && !std::mem::replace(&mut stream.waits, true) {
            self.hosts[host].ring.push_back(2 * connection + way);
            self.send_waiting(host);
        }
    }

    /// Streams take turns at the uplink as long as its queue has room.
    fn send_waiting(&mut self, host: usize) {
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

    fn arrive(&mut self, connection: usize, way: usize, item: Item) {
        let receiver = self.connections[connection].ends[1 - way];
        if self.hosts[receiver].down.backlog(self.now) > nanos(self.scenario.queue) {
            self.connections[connection].streams[way].overflowed();
        }
        let comes = self.hosts[receiver].down.put(self.now, item.bytes());
        self.at(comes, Happening::Deliver(connection, way, item));
    }

    fn deliver(&mut self, connection: usize, way: usize, item: Item) {
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

    fn verified(&mut self, host: usize, chunk: u32) {
        self.hosts[host].stored.insert(chunk);
        if self.hosts[host].stored.is_full() && self.hosts[host].done.is_none() {
            self.hosts[host].done = Some(self.now);
        }
        self.tell(host, Event::Stored(chunk));
        self.act(host);
    }
}
