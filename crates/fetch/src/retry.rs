//! When to try again: exponential backoff with full jitter.
//!
//! 500 machines that are switched on together also fail together. Full jitter (a uniform draw between
//! nothing and the cap of this attempt) spreads their return evenly; `Retry-After` moves the whole draw
//! behind the moment that the server named.

use std::time::Duration;

use crate::error::{Error, Failure, Fault};
use crate::options::{Notice, Observer};

/// Cap of the first wait.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);

/// No wait that we choose ourselves is longer: a server that comes back is noticed within this time.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The longest `Retry-After` that is honoured: a wrong header must not park a machine for a day.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// The longest that a machine leaves a mirror alone because a peer says that it is busy. After that it asks itself
/// before it believes anybody again: a peer that lies costs so much once.
pub const HEARSAY_MAX: Duration = Duration::from_secs(30);

/// How often a source may fail in a row, without one good chunk in between, before it is given up.
///
/// Only faults that time can heal are tried again. A 404, a bad certificate or another file end a
/// source at once, with either variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retries {
    /// Never given up.
    Infinite,
    /// Given up after that many retries; `Finite(0)` tries once.
    Finite(u32),
}

impl Retries {
    /// Whether a source that has failed `failures` times in a row is to be given up.
    pub fn exhausted(self, failures: u32) -> bool {
        match self {
            Self::Infinite => false,
            Self::Finite(retries) => failures > retries,
        }
    }
}

/// The lengths of the waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Cap of the first wait.
    pub base: Duration,
    /// Cap of every wait.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: BACKOFF_BASE, max: BACKOFF_MAX }
    }
}

impl Backoff {
    /// How long to wait after `failures` failures in a row (1 or more), at least as long as the server
    /// asked for by `retry_after`.
    pub fn wait(&self, failures: u32, retry_after: Option<Duration>, random: &mut fastrand::Rng) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let cap = self.base.saturating_mul(1 << doublings).min(self.max);
        let jitter = cap.mul_f64(random.f64());
        retry_after.unwrap_or_default().min(RETRY_AFTER_MAX) + jitter
    }
}

/// How a single transfer is tried again: [`get_small`](crate::get_small) and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often.
    pub retries: Retries,
    /// How long between.
    pub backoff: Backoff,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries: Retries::Finite(8), backoff: Backoff::default() }
    }
}

/// The failures of one transfer so far.
pub(crate) struct Attempts {
    policy: RetryPolicy,
    random: fastrand::Rng,
    failures: u32,
}

impl Attempts {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, random: fastrand::Rng::new(), failures: 0 }
    }

    /// Something arrived: the count starts anew.
    pub(crate) fn progress(&mut self) {
        self.failures = 0;
    }

    /// Counts `failure`, tells of it, and sleeps until the next attempt; the error when there is none.
    pub(crate) async fn rest(&mut self, failure: Failure, observe: Observer<'_>) -> Result<(), Error> {
        let fault = failure.fault();
        self.rest_after(failure, fault, observe).await
    }

    /// As [`Attempts::rest`], for a failure that the next attempt avoids.
    pub(crate) async fn rest_and_go_on(
        &mut self,
        failure: Failure,
        observe: Observer<'_>,
    ) -> Result<(), Error> {
        self.rest_after(failure, Fault::Transient { retry_after: None }, observe).await
    }

    async fn rest_after(
        &mut self,
        failure: Failure,
        fault: Fault,
        observe: Observer<'_>,
    ) -> Result<(), Error> {
        self.failures = self.failures.saturating_add(1);
        let retry_in = match fault {
            Fault::Transient { retry_after } if !self.policy.retries.exhausted(self.failures) => {
                Some(self.policy.backoff.wait(self.failures, retry_after, &mut self.random))
            }
            _ => None,
        };
        observe(Notice::Failed { failure: &failure, retry_in });
        match retry_in {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(Error::Transfer { attempts: self.failures, failure: Box::new(failure) }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finite_retries_end_and_infinite_ones_do_not() {
        assert!(Retries::Finite(0).exhausted(1));
        assert!(!Retries::Finite(2).exhausted(2));
        assert!(Retries::Finite(2).exhausted(3));
        assert!(!Retries::Infinite.exhausted(u32::MAX));
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_the_server_asked_nor_longer_than_the_caps(
            failures in 0u32..,
            asked in proptest::option::of(0u64..100_000),
            seed: u64,
        ) {
            let asked = asked.map(Duration::from_secs);
            let wait = Backoff::default().wait(failures, asked, &mut fastrand::Rng::with_seed(seed));
            let floor = asked.unwrap_or_default().min(RETRY_AFTER_MAX);
            prop_assert!(wait >= floor && wait <= floor + BACKOFF_MAX);
        }
    }
}
