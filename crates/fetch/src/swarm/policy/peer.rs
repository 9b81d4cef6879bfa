//! One peer as the policy sees it.

use std::collections::VecDeque;
use std::time::Duration;

use super::words::{Block, Greeting, Limits};
use crate::swarm::Bits;

/// Weight of the newest measurement in a moving average.
const WEIGHT: f64 = 0.3;

/// What is added to the shortest round trip that was seen: the peer's and our own time to act.
const REACTION: f64 = 0.015;

/// A chunk that this peer has been asked for.
pub(super) struct Attempt {
    pub(super) chunk: u32,
    pub(super) asked_at: Duration,
    /// The next block to be asked for.
    pub(super) next: u32,
    /// Blocks that have come: one bit each.
    got: Bits,
    pub(super) last: Duration,
}

impl Attempt {
    pub(super) fn new(chunk: u32, blocks: u32, now: Duration) -> Self {
        Self { chunk, asked_at: now, next: 0, got: Bits::none(blocks), last: now }
    }

    pub(super) fn started(&self) -> bool {
        !self.got.is_empty()
    }

    /// Takes a block in; whether it was asked for and is new.
    pub(super) fn take(&mut self, at: u32, now: Duration) -> bool {
        self.last = now;
        at < self.next && self.got.insert(at)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.got.is_full()
    }

    /// Blocks asked for that have not come.
    pub(super) fn owed(&self) -> u32 {
        self.next.saturating_sub(self.got.count())
    }

    /// Those blocks.
    pub(super) fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.next).filter(|at| !self.got.has(*at))
    }

    /// Blocks that have not come, asked for or not.
    pub(super) fn left(&self) -> u32 {
        self.got.len() - self.got.count()
    }
}

pub(super) struct Peer {
    pub(super) greeting: Greeting,
    pub(super) has: Bits,
    /// It has said what it has: a bitfield may not come any more.
    pub(super) spoken: bool,
    pub(super) chokes_us: bool,
    pub(super) wants_us: bool,
    pub(super) we_choke: bool,
    pub(super) we_want: bool,
    pub(super) attempts: Vec<Attempt>,
    /// Bytes per second while it sends.
    rate: f64,
    /// The shortest time from a request to its block, in seconds.
    round_trip: Option<f64>,
    /// The last time a chunk from it was whole, or nothing was owed.
    pub(super) since: Duration,
    pub(super) stalls: u32,
    pub(super) damaged: u32,
    /// Not asked before then.
    pub(super) rest_until: Duration,
    /// Messages that told nothing new.
    pub(super) noise: u32,
    /// Bytes from it and to it in this turn of trading.
    pub(super) gave: u64,
    pub(super) took: u64,
    /// What it waits for from us.
    pub(super) queue: VecDeque<Block>,
    pub(super) waits_since: Duration,
    /// The last chunk that we were too busy to send it, and when we said so.
    pub(super) turned_away: Option<(u32, Duration)>,
    /// What it has been told that we have, when not everything is told.
    pub(super) told: Bits,
}

impl Peer {
    pub(super) fn new(greeting: Greeting, chunks: u32) -> Self {
        Self {
            greeting,
            has: Bits::none(chunks),
            spoken: false,
            chokes_us: true,
            wants_us: false,
            we_choke: true,
            we_want: false,
            attempts: Vec::new(),
            rate: 0.0,
            round_trip: None,
            since: Duration::ZERO,
            stalls: 0,
            damaged: 0,
            rest_until: Duration::ZERO,
            noise: 0,
            gave: 0,
            took: 0,
            queue: VecDeque::new(),
            waits_since: Duration::ZERO,
            turned_away: None,
            told: Bits::none(chunks),
        }
    }

    /// Bytes that it owes us.
    pub(super) fn owes(&self, limits: &Limits) -> u64 {
        self.attempts.iter().map(|attempt| u64::from(attempt.left()) * u64::from(limits.block)).sum()
    }

    /// Whether another chunk should be asked of it: when what it owes is less than what it sends in one
    /// round trip. A request that comes earlier waits there while another peer could have sent it.
    pub(super) fn can_take(&self, now: Duration, limits: &Limits) -> bool {
        if self.chokes_us || now < self.rest_until {
            return false;
        }
        let flight = self.rate * (self.round_trip.unwrap_or(0.0) + REACTION);
        self.attempts.is_empty() || (self.owes(limits) as f64) < flight
    }

    /// The first block after a request that found nothing waiting: a round trip.
    pub(super) fn measure_round_trip(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.round_trip = Some(self.round_trip.map_or(took, |shortest| shortest.min(took)));
    }

    /// A chunk has come whole.
    pub(super) fn measure_rate(&mut self, bytes: u32, asked_at: Duration, now: Duration) {
        let took = now.saturating_sub(self.since.max(asked_at)).as_secs_f64().max(1e-6);
        let rate = f64::from(bytes) / took;
        self.rate = if self.rate == 0.0 { rate } else { self.rate + WEIGHT * (rate - self.rate) };
        self.since = now;
    }
}
