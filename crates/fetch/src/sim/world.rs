//! Hosts, connections and the events between them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use super::course::Course;
use super::event::{Connection, Due, Happening, Host};
use super::link::{Pipe, Stream};
use super::{Grain, Link, Outcome, Scenario};
use crate::swarm::Bits;
use crate::swarm::policy::{Event, Greeting, Limits, PeerId, Seeding, Swarm, TICK};

/// A fleet that gets nowhere is left after that long.
const END: u64 = 3_600_000_000_000;

/// The origin among the hosts.
pub(super) const ORIGIN: usize = 0;

pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) limits: Limits,
    pub(super) random: fastrand::Rng,
    pub(super) now: u64,
    pub(super) sequence: u64,
    pub(super) queue: BinaryHeap<Due>,
    pub(super) hosts: Vec<Host>,
    pub(super) connections: Vec<Connection>,
    pub(super) started: Vec<usize>,
    pub(super) origin_bytes: u64,
    /// Bytes of the origin that have come to a machine.
    pub(super) origin_gave: u64,
    pub(super) wasted: u64,
    pub(super) course: Course,
}

pub(super) fn nanos(time: Duration) -> u64 {
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
            course: Course::new(scenario, chunks),
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
            self.course.until(time);
            if time > END || self.hosts.iter().skip(1).all(|host| host.done.is_some()) {
                break;
            }
            self.happen(happening);
        }
        let done = self.hosts.iter().skip(1).map(|host| host.done.map(Duration::from_nanos)).collect();
        Outcome { done, origin_bytes: self.origin_bytes, wasted: self.wasted, course: self.course.moments }
    }

    pub(super) fn at(&mut self, time: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.push(Due { time: Reverse((time, self.sequence)), happening });
    }

    pub(super) fn after(&mut self, delay: u64, happening: Happening) {
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

    pub(super) fn kill(&mut self, host: usize) {
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

    pub(super) fn part(&mut self, host: usize, peer: PeerId) {
        let Some(connection) = self.hosts[host].peers.remove(&peer) else { return };
        self.connections[connection].open = false;
        let ends = self.connections[connection].ends;
        let other = if ends[0] == host { ends[1] } else { ends[0] };
        if self.hosts[other].peers.remove(&peer).is_some() {
            self.tell(other, Event::Left(peer));
            self.act(other);
        }
    }
}
