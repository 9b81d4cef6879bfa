//! A download on the console: one line that grows, and a line for each setback; and in the reports, who sent what.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bootwright_fetch::{Cause, Notice};
use bootwright_image::timeline;
use tracing::{info, warn};

use crate::log;
use crate::report::Reporter;

/// A serial line takes about 11 000 characters a second, people read less.
const INTERVAL: Duration = Duration::from_millis(500);

/// The same setback is not told again within that time.
const SETBACK_INTERVAL: Duration = Duration::from_secs(5);

/// Senders of damaged chunks that are told of by name; the others are counted together.
const MAX_LIARS: usize = 16;

/// A download being shown.
pub struct Progress {
    what: String,
    reporter: Option<Reporter>,
    refused: BTreeMap<String, u32>,
    started: Instant,
    shown: Option<Instant>,
    /// Progress is not for the console any more.
    is_quiet: bool,
    setback: Option<(String, Instant)>,
}

impl Progress {
    /// Of the file `what`.
    pub fn new(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            reporter: None,
            refused: BTreeMap::new(),
            started: Instant::now(),
            shown: None,
            is_quiet: false,
            setback: None,
        }
    }

    /// The server is to see it, too.
    pub fn reported_by(self, reporter: &Reporter) -> Self {
        Self { reporter: Some(reporter.clone()), ..self }
    }

    /// Leaves the line that grows out from now on.
    pub fn be_quiet(&mut self) {
        self.is_quiet = true;
    }

    /// Shows what a download tells.
    pub fn notice(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Progress(progress) => {
                if let Some(reporter) = &self.reporter {
                    reporter.progress(self.told(progress));
                }
                if !self.is_quiet && self.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL) {
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
                if matches!(failure.cause, Cause::Corrupt(_)) {
                    self.refuse(&failure.source_name);
                }
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

    /// As it is told to the server.
    fn told(&self, progress: &bootwright_fetch::Progress) -> timeline::Progress {
        timeline::Progress {
            total: progress.total,
            stored: progress.stored,
            mirrors: progress.stored.saturating_sub(progress.kept).saturating_sub(progress.from_peers),
            peers: progress.from_peers,
            given: progress.to_peers,
            connected: progress.peers,
            refused: self.refused.clone(),
        }
    }

    /// Counts a damaged chunk. Peers change their ports, and say what they like of themselves: their address tells
    /// them apart.
    fn refuse(&mut self, from: &str) {
        let peer = from.strip_prefix("peer ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let name = peer.map_or_else(|| from.to_owned(), |peer: SocketAddr| format!("peer {}", peer.ip()));
        let known = self.refused.contains_key(&name) || self.refused.len() < MAX_LIARS;
        let count = self.refused.entry(if known { name } else { "others".to_owned() }).or_default();
        *count = count.saturating_add(1);
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
    fn damaged_chunks_are_counted_by_address_whatever_the_port_and_never_by_more_than_a_few_names() {
        let mut progress = Progress::new("root.img");
        for from in ["peer 10.0.0.7:6881 (a b)", "peer 10.0.0.7:40000", "http://10.0.0.1/root.img"] {
            progress.refuse(from);
        }
        let told = progress.told(&bootwright_fetch::Progress::default());
        assert_eq!((told.refused["peer 10.0.0.7"], told.refused["http://10.0.0.1/root.img"]), (2, 1));
        (0..100).for_each(|number| progress.refuse(&format!("peer 10.0.1.{number}:1")));
        assert_eq!(progress.refused.len(), MAX_LIARS + 1);
        assert_eq!(progress.refused["others"], 100 - (MAX_LIARS as u32 - 2));
    }

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
