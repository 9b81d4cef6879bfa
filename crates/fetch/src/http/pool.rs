//! Connections that are kept for the next request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use url::Url;

use super::connect::Connected;
use crate::error::Cause;

/// Connections kept for one server: as many as the scheduler has requests in flight, and some.
const MAX_IDLE: usize = 8;

/// A connection that was idle for longer is not used again: servers and firewalls forget them.
const IDLE_LIFE: Duration = Duration::from_secs(30);

/// How long a connection may take to be ready for the next request once an answer has been read whole.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

/// Whom a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) secure: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Key {
    /// The server of a URL, or why it cannot be asked.
    pub(super) fn of(url: &Url) -> Result<Self, Cause> {
        let refuse = |why: &str| Err(Cause::Url(why.to_owned()));
        let (secure, usual) = match url.scheme() {
            "http" => (false, 80),
            "https" => (true, 443),
            other => return refuse(&format!("scheme {other:?} is neither http nor https")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("credentials in a URL are not supported");
        }
        let Some(host) = url.host_str() else { return refuse("it names no host") };
        Ok(Self { secure, host: host.to_owned(), port: url.port().unwrap_or(usual) })
    }

    /// The value of `Host` (RFC 9110 section 7.2): without a port that is the usual one.
    pub(super) fn host_header(&self) -> String {
        match (self.secure, self.port) {
            (false, 80) | (true, 443) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

/// Idle connections by server.
#[derive(Default)]
pub(super) struct Pool(Mutex<HashMap<Key, Vec<(Instant, Connected)>>>);

impl Pool {
    pub(super) fn put(&self, key: &Key, connected: Connected) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.entry(key.clone()).or_default();
        if idle.len() < MAX_IDLE {
            idle.push((Instant::now(), connected));
        }
    }

    /// A connection that is open as far as one can see, the last used first.
    pub(super) async fn take(&self, key: &Key) -> Option<Connected> {
        loop {
            let (since, mut connected) = self.pop(key)?;
            let ready = async { timeout(READY_TIMEOUT, connected.sender.ready()).await };
            if since.elapsed() < IDLE_LIFE && matches!(ready.await, Ok(Ok(()))) {
                return Some(connected);
            }
        }
    }

    fn pop(&self, key: &Key) -> Option<(Instant, Connected)> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.get_mut(key)?.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(url: &str) -> Result<Key, Cause> {
        Key::of(&Url::parse(url).unwrap())
    }

    #[test]
    fn host_header_names_the_port_only_when_it_is_unusual() {
        assert_eq!(key("http://a.example/").unwrap().host_header(), "a.example");
        assert_eq!(key("https://a.example:443/").unwrap().host_header(), "a.example");
        assert_eq!(key("https://a.example:80/").unwrap().host_header(), "a.example:80");
        assert_eq!(key("http://[::1]:8080/").unwrap().host_header(), "[::1]:8080");
    }

    #[test]
    fn a_host_beyond_ascii_is_refused_and_not_guessed_at() {
        assert!(Url::parse("http://b\u{fc}cher.example/").is_err());
        assert_eq!(key("http://xn--bcher-kva.example/").unwrap().host, "xn--bcher-kva.example");
    }

    #[test]
    fn urls_that_cannot_be_asked_say_why() {
        for url in ["ftp://a.example/x", "http://me:secret@a.example/", "data:,x"] {
            let Err(Cause::Url(why)) = key(url) else { panic!("{url}") };
            assert!(!why.contains("secret"));
        }
    }
}
