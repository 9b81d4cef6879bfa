//! The chunks of one file: which are there, which are on their way, how many peers have each.

use std::collections::VecDeque;

use super::words::Order;
use crate::swarm::Bits;

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody has been asked for it.
    Open,
    /// So many peers have been.
    Asked(u8),
    /// It is being verified.
    Arrived,
    /// A mirror has been asked.
    Claimed,
    Stored,
}

/// Of so many open chunks the rarest is looked for: enough for a good choice, few enough that a choice
/// among [`MAX_CHUNKS`](bootwright_image::chunks::MAX_CHUNKS) costs no more than one among these.
const SAMPLE: usize = 512;

/// Of the preferred order so many chunks are under way at one time.
const NEXT: usize = 64;

pub(super) struct Table {
    states: Vec<State>,
    /// The open chunks, in no order.
    open: Vec<u32>,
    /// Where each open chunk lies in `open`.
    places: Vec<u32>,
    /// How many of the connected peers have each.
    copies: Vec<u16>,
    stored: Bits,
    /// Somebody waits for these, first come first.
    demanded: VecDeque<u32>,
    is_demanded: Bits,
    /// Wanted before the rest, first first.
    preferred: VecDeque<u32>,
    pub(super) order: Order,
    /// What is neither demanded nor preferred is not asked for.
    pub(super) held: bool,
}

impl Table {
    pub(super) fn new(stored: Bits) -> Self {
        let count = stored.len() as usize;
        let mut table = Self {
            states: vec![State::Stored; count],
            open: Vec::new(),
            places: vec![0; count],
            copies: vec![0; count],
            demanded: VecDeque::new(),
            is_demanded: Bits::none(stored.len()),
            preferred: VecDeque::new(),
            order: Order::Rarest,
            held: false,
            stored,
        };
        for chunk in 0..table.stored.len() {
            if !table.stored.has(chunk) {
                table.set(chunk, State::Open);
            }
        }
        table
    }

    pub(super) fn stored(&self) -> &Bits {
        &self.stored
    }

    pub(super) fn state(&self, chunk: u32) -> Option<State> {
        self.states.get(chunk as usize).copied()
    }

    pub(super) fn set(&mut self, chunk: u32, to: State) {
        let Some(state) = self.states.get_mut(chunk as usize) else { return };
        let was = std::mem::replace(state, to);
        match (was == State::Open, to == State::Open) {
            (false, true) => self.put(chunk),
            (true, false) => self.take(chunk),
            _ => {}
        }
        if to == State::Stored {
            self.stored.insert(chunk);
        }
    }

    pub(super) fn copies(&self, chunk: u32) -> u16 {
        self.copies.get(chunk as usize).copied().unwrap_or(0)
    }

    pub(super) fn gain(&mut self, chunk: u32) {
        if let Some(copies) = self.copies.get_mut(chunk as usize) {
            *copies = copies.saturating_add(1);
        }
    }

    pub(super) fn lose(&mut self, chunk: u32) {
        if let Some(copies) = self.copies.get_mut(chunk as usize) {
            *copies = copies.saturating_sub(1);
        }
    }

    /// Puts `chunks` before all others.
    pub(super) fn demand(&mut self, chunks: impl IntoIterator<Item = u32>) {
        for chunk in chunks {
            if !self.stored.has(chunk) && self.is_demanded.insert(chunk) {
                self.demanded.push_back(chunk);
            }
        }
    }

    /// Whether somebody may be waiting for a chunk.
    pub(super) fn has_demands(&self) -> bool {
        !self.demanded.is_empty()
    }

    /// Whether somebody waits for `chunk`.
    pub(super) fn is_demanded(&self, chunk: u32) -> bool {
        self.is_demanded.has(chunk)
    }

    /// Puts `chunks` before the rest, in their order.
    pub(super) fn prefer(&mut self, chunks: impl IntoIterator<Item = u32>) {
        let chunks = chunks.into_iter().filter(|chunk| (*chunk as usize) < self.states.len());
        self.preferred = chunks.take(self.states.len()).collect();
    }

    /// The open chunk to be asked of somebody who has `has`.
    pub(super) fn choose(&mut self, has: &Bits, random: &mut fastrand::Rng) -> Option<u32> {
        if let Some(demanded) = self.open_demand(has).or_else(|| self.open_preferred(has)) {
            return Some(demanded);
        }
        if self.held {
            return None;
        }
        match self.order {
            Order::Sequential => self.open.iter().copied().filter(|chunk| has.has(*chunk)).min(),
            Order::Rarest => self.rarest(has, random),
        }
    }

    /// The first open chunk among those that somebody waits for and that `has` holds.
    pub(super) fn open_demand(&mut self, has: &Bits) -> Option<u32> {
        trim(&mut self.demanded, &self.stored);
        self.demanded.iter().copied().find(|chunk| self.is_open(*chunk) && has.has(*chunk))
    }

    /// The rarest of the next few chunks of the preferred order. Machines that boot the same image prefer
    /// the same: if all took the very first, they would have nothing to give each other.
    fn open_preferred(&mut self, has: &Bits) -> Option<u32> {
        trim(&mut self.preferred, &self.stored);
        let next = self.preferred.iter().copied().filter(|chunk| !self.stored.has(*chunk)).take(NEXT);
        next.filter(|chunk| self.is_open(*chunk) && has.has(*chunk)).min_by_key(|chunk| self.copies(*chunk))
    }

    fn is_open(&self, chunk: u32) -> bool {
        self.state(chunk) == Some(State::Open)
    }

    /// The rarest of the open chunks that `has` holds, from a random place on, which breaks ties.
    fn rarest(&self, has: &Bits, random: &mut fastrand::Rng) -> Option<u32> {
        if self.open.is_empty() {
            return None;
        }
        let start = random.usize(..self.open.len());
        let (front, back) = self.open.split_at(start);
        let had = back.iter().chain(front).copied().filter(|chunk| has.has(*chunk));
        had.take(SAMPLE).min_by_key(|chunk| self.copies(*chunk))
    }

    fn put(&mut self, chunk: u32) {
        if let Some(place) = self.places.get_mut(chunk as usize) {
            *place = self.open.len() as u32;
            self.open.push(chunk);
        }
    }

    fn take(&mut self, chunk: u32) {
        let Some(place) = self.places.get(chunk as usize).copied() else { return };
        if self.open.get(place as usize) != Some(&chunk) {
            return;
        }
        self.open.swap_remove(place as usize);
        let moved = self.open.get(place as usize).copied();
        if let Some(slot) = moved.and_then(|moved| self.places.get_mut(moved as usize)) {
            *slot = place;
        }
    }
}

/// Takes what is stored from the front.
fn trim(queue: &mut VecDeque<u32>, stored: &Bits) {
    while queue.front().is_some_and(|chunk| stored.has(*chunk)) {
        queue.pop_front();
    }
}
