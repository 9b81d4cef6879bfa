//! One lease, and the line that a journal keeps of it.
//!
//! ```text
//! 10.0.0.50 52:54:00:12:34:56 01525400123456 bound 1795170000 boot
//! address   MAC               client id      state  end       boot stage or system
//! ```

use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::machine::Mac;

/// The longest client identifier: option 61 in one piece.
const MAX_CLIENT: usize = 255;

/// What an address is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Offered, waiting for REQUEST. Not kept over a restart.
    Offered,
    /// Leased.
    Bound,
    /// Found in use by a client that is not ours.
    Quarantined,
}

/// One lease; it lives until `ends`, and the record stays after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Who asked last.
    pub mac: Mac,
    /// Client identifier; empty when nobody's.
    pub client: Vec<u8>,
    /// What the address is at.
    pub state: State,
    /// Seconds since 1970.
    pub ends: u64,
    /// Whether a program of a boot holds it, which the next one replaces.
    pub boot_stage: bool,
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, mac, ends, .. } = self;
        let mut client = String::with_capacity(2 * self.client.len());
        for byte in &self.client {
            write!(client, "{byte:02x}")?;
        }
        let client = if client.is_empty() { "-" } else { &client };
        let state = match self.state {
            State::Offered => "offered",
            State::Bound => "bound",
            State::Quarantined => "quarantined",
        };
        let stage = if self.boot_stage { "boot" } else { "system" };
        write!(f, "{address} {mac} {client} {state} {ends} {stage}")
    }
}

/// A line that is no lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a lease: {0:?}")]
pub struct BadLease(String);

impl FromStr for Lease {
    type Err = BadLease;

    fn from_str(line: &str) -> Result<Self, BadLease> {
        read(line).ok_or_else(|| BadLease(line.chars().take(80).collect()))
    }
}

fn read(line: &str) -> Option<Lease> {
    let mut words = line.split(' ');
    let lease = Lease {
        address: words.next()?.parse().ok()?,
        mac: words.next()?.parse().ok()?,
        client: client(words.next()?)?,
        state: match words.next()? {
            "offered" => State::Offered,
            "bound" => State::Bound,
            "quarantined" => State::Quarantined,
            _ => return None,
        },
        ends: words.next()?.parse().ok()?,
        boot_stage: match words.next()? {
            "boot" => true,
            "system" => false,
            _ => return None,
        },
    };
    words.next().is_none().then_some(lease)
}

fn client(text: &str) -> Option<Vec<u8>> {
    if text == "-" {
        return Some(Vec::new());
    }
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2)
        || digits.len() > 2 * MAX_CLIENT
        || !digits.iter().all(u8::is_ascii_hexdigit)
    {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_lease_survives_its_line(
            address: [u8; 4], mac: [u8; 6], client in proptest::collection::vec(any::<u8>(), 0..20),
            ends: u64, boot_stage: bool,
        ) {
            let lease = Lease { address: address.into(), mac: Mac(mac), client, state: State::Bound, ends, boot_stage };
            prop_assert_eq!(lease.to_string().parse::<Lease>(), Ok(lease));
        }

        #[test]
        fn no_line_makes_the_reader_panic(line in ".{0,200}") {
            let _ = line.parse::<Lease>();
        }
    }
}
