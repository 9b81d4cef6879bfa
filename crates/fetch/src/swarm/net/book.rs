//! The addresses of a swarm: whom to connect to, and when again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Most addresses kept: a few times what one tracker gives.
const MOST: usize = 1000;

/// The first wait after a failed connection; it doubles.
const FIRST: Duration = Duration::from_secs(1);

/// The longest.
const LONGEST: Duration = Duration::from_secs(60);

/// An address of IPv4 that came in the clothes of IPv6 is what it is; a link-local one keeps its interface.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

struct Entry {
    busy: bool,
    failures: u32,
    not_before: Duration,
}

#[derive(Default)]
pub(super) struct Book {
    entries: BTreeMap<SocketAddr, Entry>,
    banned: BTreeSet<IpAddr>,
}

impl Book {
    pub(super) fn add(&mut self, address: SocketAddr) {
        let address = canonical(address);
        if self.entries.len() < MOST && !self.banned.contains(&address.ip()) {
            let new = Entry { busy: false, failures: 0, not_before: Duration::ZERO };
            self.entries.entry(address).or_insert(new);
        }
    }

    /// An address to be dialled at `now`; it is busy from then on.
    pub(super) fn next(&mut self, now: Duration) -> Option<SocketAddr> {
        let ready = |entry: &&mut Entry| !entry.busy && entry.not_before <= now;
        let mut ready: Vec<_> = self.entries.iter_mut().filter(|(_, entry)| ready(entry)).collect();
        let chosen = fastrand::usize(..ready.len().max(1));
        let (address, entry) = ready.get_mut(chosen)?;
        entry.busy = true;
        Some(**address)
    }

    /// A connection to it has ended or has failed.
    pub(super) fn failed(&mut self, now: Duration, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.busy = false;
            entry.failures = entry.failures.saturating_add(1);
            let wait = FIRST.saturating_mul(1 << entry.failures.min(10)).min(LONGEST);
            entry.not_before = now + wait.mul_f64(0.5 + fastrand::f64() / 2.0);
        }
    }

    /// It works.
    pub(super) fn connected(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.failures = 0;
        }
    }

    /// It is not to be dialled any more: it is us, or somebody we are connected with.
    pub(super) fn settle(&mut self, address: SocketAddr) {
        self.add(address);
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.busy = true;
        }
    }

    /// Nobody at that address is talked to any more.
    pub(super) fn ban(&mut self, ip: IpAddr) {
        self.banned.insert(ip);
        self.entries.retain(|address, _| address.ip() != ip);
    }

    /// All that are known.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.entries.keys().copied().collect()
    }

    pub(super) fn is_banned(&self, ip: IpAddr) -> bool {
        self.banned.contains(&ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_tried_ever_more_rarely_and_who_lies_never_again() {
        let mut book = Book::default();
        let address = "10.0.0.1:6881".parse().unwrap();
        book.add(address);
        assert_eq!(book.next(Duration::ZERO), Some(address));
        assert_eq!(book.next(Duration::ZERO), None);
        book.failed(Duration::ZERO, address);
        assert_eq!(book.next(Duration::from_millis(900)), None);
        assert_eq!(book.next(Duration::from_secs(2)), Some(address));
        book.ban(address.ip());
        book.add(address);
        assert_eq!(book.next(Duration::MAX), None);
    }
}
