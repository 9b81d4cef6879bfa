//! A download on the console: one line that grows, and a line for each setback.

use std::time::{Duration, Instant};

use bootwright_fetch::Notice;
use tracing::{info, warn};

use crate::log;

/// A serial line takes about 11 000 characters a second, people read less.
const INTERVAL: Duration = Duration::from_millis(500);

/// The same setback is not told again within that time.
const SETBACK_INTERVAL: Duration = Duration::from_secs(5);

/// A download being shown.
pub struct Progress {
    what: String,
    started: Instant,
    shown: Option<Instant>,
    setback: Option<(String, Instant)>,
}

impl Progress {
    /// Of the file `what`.
    pub fn new(what: &str) -> Self {
        Self { what: what.to_owned(), started: Instant::now(), shown: None, setback: None }
    }

    /// Shows what a download tells.
    pub fn notice(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Progress(progress) => {
                if self.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL) {
                    self.shown = Some(Instant::now());
                    let sent = progress.stored.saturating_sub(progress.kept);
                    log::progress(&line(
                        &self.what,
                        progress.stored,
                        progress.total,
                        rate(sent, self.started.elapsed()),
                    ));
                }
            }
            Notice::Failed { failure, retry_in } => {
                let text = failure.explain();
                let told =
                    |(last, when): &(String, Instant)| *last == text && when.elapsed() < SETBACK_INTERVAL;
                if !self.setback.as_ref().is_some_and(told) {
                    match retry_in {
                        Some(wait) => warn!("{text}; again in {:.1} s", wait.as_secs_f32()),
                        None => warn!("{text}"),
                    }
                    self.setback = Some((text, Instant::now()));
                }
            }
        }
    }

    /// Shows the end of it.
    pub fn done(&self, bytes: u64, took: Duration) {
        info!(
            "{}: {} MiB in {:.1} s, {} MB/s",
            self.what,
            bytes.div_ceil(1 << 20),
            took.as_secs_f32(),
            rate(bytes, took) / 1_000_000
        );
    }
}

/// Bytes per second.
fn rate(bytes: u64, took: Duration) -> u64 {
    (bytes as f64 / took.as_secs_f64().max(0.001)) as u64
}

fn line(what: &str, stored: u64, total: u64, rate: u64) -> String {
    let mib = |bytes: u64| bytes >> 20;
    if total == 0 {
        return format!("{what}: {} MiB, {} MB/s", mib(stored), rate / 1_000_000);
    }
    let percent = (u128::from(stored) * 100 / u128::from(total)).min(100);
    let left = total
        .saturating_sub(stored)
        .checked_div(rate)
        .map_or(String::new(), |left| format!(", {left} s left"));
    format!("{what}: {percent} %, {} of {} MiB, {} MB/s{left}", mib(stored), mib(total), rate / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let shown = line("root.img", 64 << 20, 128 << 20, 16 << 20);
        assert_eq!(shown, "root.img: 50 %, 64 of 128 MiB, 16 MB/s, 4 s left");
        assert_eq!(line("root.img", 1 << 20, 0, 0), "root.img: 1 MiB, 0 MB/s");
        assert_eq!(
            line("root.img", u64::MAX, u64::MAX, 0),
            format!("root.img: 100 %, {0} of {0} MiB, 0 MB/s", u64::MAX >> 20)
        );
    }
}
