//! One source as the scheduler sees it.

use std::time::Duration;

use super::Ranges;
use super::meter::Meter;
use crate::error::Fault;
use crate::retry::{Backoff, HEARSAY_MAX, RetryPolicy};

/// Whether a source may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Ready,
    Waiting(Duration),
    Dropped,
}

pub(super) struct Lane {
    pub(super) priority: u8,
    pub(super) standing: Standing,
    /// What it does with ranges, once it has answered.
    pub(super) ranges: Option<Ranges>,
    /// Whether it has answered since its last failure.
    pub(super) answered: bool,
    pub(super) in_flight: u32,
    /// Failures in a row, without a good chunk in between.
    pub(super) failures: u32,
    /// Chunks that came damaged.
    pub(super) bad: u32,
    /// Counts the failures ever. When a server dies, all requests that run there fail for the one
    /// reason: those that began before it was counted do not count again.
    pub(super) epoch: u32,
    pub(super) meter: Meter,
    /// It is left alone, or was, because others said that it is busy; since then we have not asked ourselves.
    pub(super) hearsay: bool,
}

impl Lane {
    pub(super) fn new(priority: u8) -> Self {
        Self {
            priority,
            standing: Standing::Ready,
            ranges: None,
            answered: false,
            in_flight: 0,
            failures: 0,
            bad: 0,
            epoch: 0,
            meter: Meter::default(),
            hearsay: false,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.standing == Standing::Ready
    }

    pub(super) fn is_alive(&self) -> bool {
        self.standing != Standing::Dropped
    }

    /// How many requests it may have at a time.
    pub(super) fn capacity(&self, in_flight: u32) -> u32 {
        match self.ranges {
            Some(Ranges::Honoured) if self.answered => in_flight.max(1),
            _ => 1,
        }
    }

    pub(super) fn wakes_at(&self) -> Option<Duration> {
        match self.standing {
            Standing::Waiting(until) => Some(until),
            _ => None,
        }
    }

    pub(super) fn wake(&mut self, now: Duration) {
        if self.wakes_at().is_some_and(|until| until <= now) {
            self.standing = Standing::Ready;
        }
    }

    /// Another machine was told to come back after `wait`; whether that is believed.
    pub(super) fn hear(
        &mut self,
        now: Duration,
        wait: Duration,
        backoff: &Backoff,
        random: &mut fastrand::Rng,
    ) -> bool {
        if !self.is_ready() || self.in_flight > 0 || self.hearsay {
            return false;
        }
        self.hearsay = true;
        self.standing = Standing::Waiting(now + backoff.wait(1, Some(wait.min(HEARSAY_MAX)), random));
        true
    }

    pub(super) fn fail(
        &mut self,
        now: Duration,
        fault: Fault,
        epoch: u32,
        retry: &RetryPolicy,
        random: &mut fastrand::Rng,
    ) {
        let retry_after = match fault {
            Fault::Permanent => {
                self.standing = Standing::Dropped;
                return;
            }
            Fault::Transient { retry_after } => retry_after,
        };
        if epoch != self.epoch || !self.is_alive() {
            return;
        }
        self.epoch = self.epoch.wrapping_add(1);
        self.hearsay = false;
        self.failures = self.failures.saturating_add(1);
        self.answered = false;
        self.standing = if retry.retries.exhausted(self.failures) {
            Standing::Dropped
        } else {
            Standing::Waiting(now + retry.backoff.wait(self.failures, retry_after, random))
        };
    }
}
