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

pub(super) struct Table {
    states: Vec<State>,
    /// The open chunks, in no order.
    open: Vec<u32>,
    /// Where each open chunk lies in `open`.
    places: Vec<u32>,
    /// How many of the connected peers have each.
    copies: Vec<u16>,
    stored: Bits,
    /// Wanted before all others, first first.
    urgent: VecDeque<u32>,
    pub(super) order: Order,
}

impl Table {
    pub(super) fn new(stored: Bits) -> Self {
        let count = stored.len() as usize;
        let mut table = Self {
            states: vec![State::Stored; count],
            open: Vec::new(),
            places: vec![0; count],
            copies: vec![0; count],
            urgent: VecDeque::new(),
            order: Order::Rarest,
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
    pub(super) fn prefer(&mut self, chunks: impl IntoIterator<Item = u32>) {
        let chunks = chunks.into_iter().filter(|chunk| (*chunk as usize) < self.states.len());
        self.urgent = chunks.take(self.states.len()).collect();
    }

    /// The open chunk to be asked of somebody who has `has`.
    pub(super) fn choose(&mut self, has: &Bits, random: &mut fastrand::Rng) -> Option<u32> {
        let (states, stored) = (&self.states, &self.stored);
        self.urgent.retain(|chunk| !stored.has(*chunk));
        let open = |chunk: &u32| states.get(*chunk as usize) == Some(&State::Open) && has.has(*chunk);
        if let Some(urgent) = self.urgent.iter().copied().find(|chunk| open(chunk)) {
            return Some(urgent);
        }
        match self.order {
            Order::Sequential => self.open.iter().copied().filter(|chunk| has.has(*chunk)).min(),
            Order::Rarest => self.rarest(has, random),
        }
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
