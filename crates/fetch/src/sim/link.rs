//! Links and connections of the simulated network. Times are nanoseconds, lengths bytes.

use std::collections::VecDeque;

use crate::swarm::policy::{Block, Talk};

/// What travels.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Talk(Talk),
    Block(Block),
}

/// Bytes of a message on the wire, its share of headers included.
const MESSAGE: u64 = 40;

impl Item {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Talk(_) => MESSAGE,
            Self::Block(block) => u64::from(block.length) * 104 / 100,
        }
    }
}

/// One direction of a host's link: bytes leave it one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pipe {
    rate: u64,
    free_at: u64,
}

impl Pipe {
    pub(super) fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), free_at: 0 }
    }

    /// Puts `bytes` into the queue; when they have left it.
    pub(super) fn put(&mut self, now: u64, bytes: u64) -> u64 {
        let took = (u128::from(bytes) * 1_000_000_000 / u128::from(self.rate)) as u64;
        self.free_at = self.free_at.max(now) + took;
        self.free_at
    }

    /// How long what is in the queue takes.
    pub(super) fn backlog(&self, now: u64) -> u64 {
        self.free_at.saturating_sub(now)
    }
}

/// Bytes that a connection may have under way at first, at least and at most: ten segments, two, and
/// what Linux lets a window grow to without being told.
const WINDOW_FIRST: u64 = 32 << 10;
const WINDOW_LEAST: u64 = 32 << 10;
const WINDOW_MOST: u64 = 4 << 20;

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) unsent: VecDeque<Item>,
    in_flight: u64,
    window: u64,
    /// Waits in the ring of its host.
    pub(super) waits: bool,
}

impl Stream {
    pub(super) fn new() -> Self {
        Self { unsent: VecDeque::new(), in_flight: 0, window: WINDOW_FIRST, waits: false }
    }

    /// Whether the first item that is unsent may go.
    pub(super) fn ready(&self) -> bool {
        let fits = |item: &Item| self.in_flight == 0 || self.in_flight + item.bytes() <= self.window;
        self.unsent.front().is_some_and(fits)
    }

    pub(super) fn go(&mut self) -> Option<Item> {
        let item = self.unsent.pop_front()?;
        self.in_flight += item.bytes();
        Some(item)
    }

    pub(super) fn acknowledged(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.window = (self.window + bytes / 2).min(WINDOW_MOST);
    }

    /// A queue on the way was full.
    pub(super) fn overflowed(&mut self) {
        self.window = (self.window / 2).max(WINDOW_LEAST);
    }
}
