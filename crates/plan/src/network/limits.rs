//! How long is waited for the network: dracut's `rd.net.timeout.*`, with limits that fit a machine room.

use std::time::Duration;

/// Waits; the defaults are bootwright's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For an interface to appear: disks spin up, USB is enumerated, firmware is loaded.
    pub device: Duration,
    /// For a signal: spanning tree holds a port back for up to 50 s.
    pub carrier: Duration,
    /// For an address once there is a signal: a port in spanning tree has a signal too.
    pub address: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { device: minute, carrier: minute, address: minute }
    }
}

/// Nobody waits longer for a network; a machine that is told to would seem dead.
const MOST: u64 = 3600;

impl Limits {
    /// Takes a parameter; `None` when it is no limit.
    pub(super) fn take(&mut self, key: &str, value: &str) -> Option<Result<String, String>> {
        let (limit, what) = match key {
            "rd.net.timeout.iflink" => (&mut self.device, "an interface"),
            "rd.net.timeout.carrier" => (&mut self.carrier, "a signal"),
            "rd.net.timeout.dhcp" | "rd.net.timeout.ipv6auto" => (&mut self.address, "an address"),
            _ => return None,
        };
        Some(match value.parse() {
            Ok(seconds @ 1..=MOST) => {
                *limit = Duration::from_secs(seconds);
                Ok(format!("{what} is waited for {seconds} s"))
            }
            _ => Err(format!("{value:?} is no number of seconds from 1 to {MOST}")),
        })
    }
}
