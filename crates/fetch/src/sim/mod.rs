//! A fleet over a simulated network: the very policy that runs on machines, repeatable from a seed.
//!
//! It tells what the [policy](crate::swarm::policy) is worth before any machine runs it, and for fleets that
//! no test bench holds. What it models, because it decides the times: the rate of each host's link in each
//! direction, the queue in front of it, latency, and that bytes on one connection come in order, so that a
//! short message waits behind the blocks that were written before it. TCP is a window per connection that
//! grows with each block and is halved when a queue overflows; nothing is ever lost. What it leaves out:
//! processors, disks, the network between the hosts' links, and mirrors.
//!
//! [`Scenario::run`] plays one; `cargo run --release -p bootwright-fetch --example fleet` prints a table.

mod course;
mod event;
mod link;
#[cfg(test)]
mod tests;
mod traffic;
mod world;

use std::time::Duration;

/// A fleet that fetches one file from one origin.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The machines, the origin not among them.
    pub machines: Vec<Machine>,
    /// Link of the origin.
    pub origin: Link,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes in a chunk.
    pub chunk: u32,
    /// How finely the network is looked at.
    pub grain: Grain,
    /// One way from link to link.
    pub latency: Duration,
    /// What a link holds before it lets go of bytes.
    pub queue: Duration,
    /// Most connections that one machine begins; as many again may come in.
    pub connections: usize,
    /// Most connections of the origin.
    pub origin_connections: usize,
    /// The origin dies when one copy has left it.
    pub origin_dies: bool,
    /// Everything that is random follows from it.
    pub seed: u64,
}

/// A host's link, bytes per second in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// From the host.
    pub up: u64,
    /// To the host.
    pub down: u64,
}

/// A machine of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Its link.
    pub link: Link,
    /// When it is switched on.
    pub start: Duration,
    /// It is killed then, and comes back after that long with what it had stored.
    pub killed: Option<(Duration, Duration)>,
}

/// How finely the network is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Every block and every message waits its turn on its link.
    Blocks,
    /// A chunk travels as four blocks, messages take their latency and nothing else: for large fleets.
    Quarters,
}

/// How it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// When each machine was done.
    pub done: Vec<Option<Duration>>,
    /// Bytes of blocks that left the origin.
    pub origin_bytes: u64,
    /// Bytes of blocks that came in where they were not wanted any more.
    pub wasted: u64,
    /// What happened when.
    pub course: Vec<Moment>,
}

/// One interval of a fleet's course.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Its end.
    pub at: Duration,
    /// Share of what the machines' uplinks could have sent in it that they did send.
    pub uplinks: f64,
    /// Chunks that at least one machine has, as a share of all.
    pub abroad: f64,
    /// Chunks that the machines have, as a share of what they want.
    pub stored: f64,
}

impl Outcome {
    /// When the last machine was done; `None` when one was not.
    pub fn last(&self) -> Option<Duration> {
        self.done.iter().copied().collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

/// Megabits per second, in bytes.
pub const fn mbit(rate: u64) -> u64 {
    rate * 125_000
}

impl Scenario {
    /// `machines` that start at once, with links like the origin's.
    pub fn even(machines: usize, size: u64, rate: u64, seed: u64) -> Self {
        let link = Link { up: rate, down: rate };
        let machine = Machine { link, start: Duration::ZERO, killed: None };
        Self {
            machines: vec![machine; machines],
            origin: link,
            size,
            chunk: bootwright_image::chunks::size_for(size),
            grain: Grain::Blocks,
            latency: Duration::from_micros(200),
            queue: Duration::from_millis(50),
            connections: 40,
            origin_connections: 80,
            origin_dies: false,
            seed,
        }
    }

    /// Plays it to its end, or until nothing happens any more.
    pub fn run(&self) -> Outcome {
        world::World::new(self).run()
    }
}
