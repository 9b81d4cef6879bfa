//! What hosts and connections are, and what happens to them when.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, VecDeque};

use super::link::{Item, Pipe, Stream};
use crate::swarm::Bits;
use crate::swarm::policy::{PeerId, Swarm, Talk};

pub(super) struct Host {
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    pub(super) swarm: Option<Swarm>,
    pub(super) stored: Bits,
    /// Peer → connection and our end of it.
    pub(super) peers: BTreeMap<PeerId, usize>,
    /// Streams that may send when the uplink's queue has room.
    pub(super) ring: VecDeque<usize>,
    pub(super) uplink_wakes: bool,
    pub(super) done: Option<u64>,
    /// Counts lives, so that what was meant for an earlier one is not taken.
    pub(super) life: u32,
}

/// A connection: the host that began it and the other. Stream 0 leads from the first to the second.
pub(super) struct Connection {
    pub(super) ends: [usize; 2],
    pub(super) streams: [Stream; 2],
    pub(super) open: bool,
}

pub(super) enum Happening {
    Start(usize),
    Kill(usize, u64),
    Connect(usize, usize, [u32; 2]),
    Tick(usize, u32),
    Uplink(usize),
    Arrive(usize, usize, Item),
    Deliver(usize, usize, Item),
    Acknowledge(usize, usize, u64),
    Verified(usize, u32, u32),
    Broadcast(usize, u32, Talk),
}

/// What happens when: the earliest first, and of those at one time the one that was said first.
pub(super) struct Due {
    pub(super) time: Reverse<(u64, u64)>,
    pub(super) happening: Happening,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.time.cmp(&other.time)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.time == other.time
    }
}

impl Eq for Due {}
