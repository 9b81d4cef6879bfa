//! What a fleet does in each interval: where its time goes.

use std::time::Duration;

use super::world::{ORIGIN, nanos};
use super::{Moment, Scenario};
use crate::swarm::Bits;

/// Length of an interval.
const INTERVAL: Duration = Duration::from_millis(500);

pub(super) struct Course {
    pub(super) moments: Vec<Moment>,
    /// Bytes that all uplinks of machines send in an interval.
    capacity: f64,
    wanted: f64,
    sent: u64,
    abroad: Bits,
    stored: u64,
    next: u64,
}

impl Course {
    pub(super) fn new(scenario: &Scenario, chunks: u32) -> Self {
        let uplinks: u64 = scenario.machines.iter().map(|machine| machine.link.up).sum();
        Self {
            moments: Vec::new(),
            capacity: uplinks as f64 * INTERVAL.as_secs_f64(),
            wanted: f64::from(chunks) * scenario.machines.len() as f64,
            sent: 0,
            abroad: Bits::none(chunks),
            stored: 0,
            next: nanos(INTERVAL),
        }
    }

    /// Ends the intervals before `time`.
    pub(super) fn until(&mut self, time: u64) {
        while time >= self.next {
            self.moments.push(Moment {
                at: Duration::from_nanos(self.next),
                uplinks: self.sent as f64 / self.capacity,
                abroad: f64::from(self.abroad.count()) / f64::from(self.abroad.len().max(1)),
                stored: self.stored as f64 / self.wanted,
            });
            self.sent = 0;
            self.next += nanos(INTERVAL);
        }
    }

    pub(super) fn sent(&mut self, host: usize, bytes: u64) {
        if host != ORIGIN {
            self.sent += bytes;
        }
    }

    pub(super) fn stored(&mut self, chunk: u32) {
        self.abroad.insert(chunk);
        self.stored += 1;
    }
}
