//! How fast a source is, as its chunks tell.

use std::time::Duration;

/// What is older than about so long says little of what a source does now.
const MEMORY: f64 = 4.0;

/// No measurement is finer: chunks of one read of the network come at one moment.
const FINEST: f64 = 0.001;

/// Chunks a second while something is asked for: an average in which what is older weighs less.
#[derive(Debug, Default)]
pub(super) struct Meter {
    chunks: f64,
    seconds: f64,
    /// When a chunk last came, or the first request was made after a pause.
    since: Duration,
}

impl Meter {
    /// Something is asked for again after a pause.
    pub(super) fn resume(&mut self, now: Duration) {
        self.since = now;
    }

    /// A chunk has come.
    pub(super) fn count(&mut self, now: Duration) {
        let took = now.saturating_sub(self.since).as_secs_f64();
        let keep = (-took / MEMORY).exp();
        self.chunks = self.chunks * keep + 1.0;
        self.seconds = self.seconds * keep + took;
        self.since = now;
    }

    /// Chunks a second; `None` when none has come yet.
    pub(super) fn rate(&self) -> Option<f64> {
        (self.chunks > 0.0).then(|| self.chunks / self.seconds.max(FINEST))
    }

    /// The same as it looks at `now`, while something is asked for: who has sent nothing for a second sends no more
    /// than a chunk a second.
    pub(super) fn rate_at(&self, now: Duration) -> f64 {
        let most = 1.0 / self.silence(now).as_secs_f64().max(FINEST);
        self.rate().map_or(most, |rate| rate.min(most))
    }

    /// When something last came, or was asked for after a pause.
    pub(super) fn since(&self) -> Duration {
        self.since
    }

    /// How long nothing has come.
    pub(super) fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_follows_what_comes_and_falls_while_nothing_does() {
        let mut meter = Meter::default();
        let at = Duration::from_secs_f64;
        assert_eq!(meter.rate(), None);
        meter.resume(at(10.0));
        (1..=100).for_each(|chunk| meter.count(at(10.0 + f64::from(chunk) * 0.1)));
        assert!((9.0..11.0).contains(&meter.rate().unwrap()), "{meter:?}");
        (1..=10).for_each(|chunk| meter.count(at(20.0 + f64::from(chunk))));
        assert!((0.9..2.0).contains(&meter.rate().unwrap()), "{meter:?}");
        assert!((0.24..0.26).contains(&meter.rate_at(at(34.0))), "{meter:?}");
        // A pause in which nothing was asked for is no silence.
        meter.resume(at(100.0));
        assert!(meter.rate_at(at(100.1)) > 0.9, "{meter:?}");
    }
}
