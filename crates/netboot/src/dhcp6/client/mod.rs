//! A DHCPv6 client for the agent (RFC 8415 section 18.2): bytes and times in, bytes and events out.
//!
//! ```text
//!                 ┌── REPLY (rapid commit) ──┐
//! Soliciting ──ADVERTISE──▶ Requesting ──REPLY──▶ Bound ──T1──▶ Renewing ──T2──▶ Rebinding
//!     ▲                            │ refused, no answer                              │ expired
//!     └────────────────────────────┴─────────────────────────────────────────────────┘
//! Informing ──REPLY──▶ Informed                      (an address is there already, by SLAAC)
//! ```
//!
//! Its DUID is that of the link-layer address (DUID-LL, section 11.4) and its IAID the last four bytes of it: the
//! running system says the same and keeps the lease.

mod lease;

use std::time::Duration;

pub use lease::Lease;

use super::{Kind, Message, code};
use crate::machine::Mac;

/// The first wait for an answer (SOL_TIMEOUT, REQ_TIMEOUT, INF_TIMEOUT, section 7.6); advertisements are collected
/// for so long.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait. SOL_MAX_RT is an hour, which a machine that boots does not have.
pub const MAX_WAIT: Duration = Duration::from_secs(16);
/// A REQUEST that is not answered after so many attempts goes back to SOLICIT.
const MAX_REQUESTS: u32 = 4;
/// The first wait between two attempts to renew (REN_TIMEOUT).
const RENEW_WAIT: Duration = Duration::from_secs(10);
/// And the longest (REN_MAX_RT).
const MAX_RENEW_WAIT: Duration = Duration::from_secs(600);
/// A server with this preference is taken without waiting for others (section 21.8).
const AT_ONCE: u8 = 255;
/// Hardware type of Ethernet.
const ETHERNET: u16 = 1;
/// DUID-LL, section 11.4.
const DUID_LL: u16 = 3;

/// Who asks, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The interface's address.
    pub mac: Mac,
    /// What for.
    pub want: Want,
    /// Random bits, different for each machine and boot.
    pub seed: u64,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// An address and all else.
    Address,
    /// Name servers alone: the address is there (stateless DHCP, section 6.1).
    Information,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this to [`SERVERS`](super::SERVERS) at [`SERVER_PORT`](super::SERVER_PORT).
    Send(Vec<u8>),
    /// Wait for a packet until then.
    WaitUntil(Duration),
    /// The lease has run out; the client asks anew.
    Expired,
}

/// What a packet meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// There is a lease.
    Bound(Lease),
    /// It goes on.
    Renewed(Lease),
    /// A server said no, in these words.
    Refused(String),
}

#[derive(Debug, Clone)]
enum State {
    Soliciting { best: Option<Lease>, until: Duration },
    Requesting { lease: Lease },
    Bound { lease: Lease, since: Duration },
    Renewing { lease: Lease, since: Duration },
    Rebinding { lease: Lease, since: Duration },
    Informing,
}

/// The client.
#[derive(Debug, Clone)]
pub struct Client {
    config: Config,
    state: State,
    /// Of the exchange under way.
    transaction: u32,
    begun: Duration,
    sent: u32,
    wait: Duration,
    next: Duration,
    random: u64,
}

impl Client {
    /// A client that begins at `now`.
    pub fn new(config: Config, now: Duration) -> Self {
        let state = match config.want {
            Want::Address => State::Soliciting { best: None, until: now },
            Want::Information => State::Informing,
        };
        let random = config.seed | 1;
        let mut client = Self {
            config,
            state: State::Informing,
            transaction: 0,
            begun: now,
            sent: 0,
            wait: FIRST_WAIT,
            next: now,
            random,
        };
        client.enter(state, now);
        client
    }

    /// What to do at `now`.
    pub fn poll(&mut self, now: Duration) -> Step {
        match &self.state {
            State::Bound { lease, since } if now >= *since + lease.renewal => {
                let (lease, since) = (lease.clone(), *since);
                self.enter(State::Renewing { lease, since }, now);
            }
            State::Bound { lease, since } => return Step::WaitUntil(*since + lease.renewal),
            State::Renewing { lease, since } if now >= *since + lease.rebinding => {
                let (lease, since) = (lease.clone(), *since);
                self.enter(State::Rebinding { lease, since }, now);
            }
            State::Rebinding { lease, since } if now >= *since + lease.valid => {
                self.enter(State::Soliciting { best: None, until: now }, now);
                return Step::Expired;
            }
            State::Soliciting { best: Some(lease), until } if now >= *until => {
                let lease = lease.clone();
                self.enter(State::Requesting { lease }, now);
            }
            State::Soliciting { best: Some(_), until } => return Step::WaitUntil(*until),
            State::Requesting { .. } if self.sent >= MAX_REQUESTS && now >= self.next => {
                self.enter(State::Soliciting { best: None, until: now }, now);
            }
            _ => {}
        }
        if now < self.next {
            return Step::WaitUntil(self.deadline());
        }
        self.send(now)
    }

    /// Takes a packet in.
    pub fn receive(&mut self, now: Duration, packet: &[u8]) -> Option<Event> {
        let message = Message::parse(packet).ok()?;
        let options = &message.options;
        let mine = message.transaction == self.transaction
            && self.sent > 0
            && options.get(code::CLIENT_ID) == Some(&self.duid()[..]);
        if !mine {
            return None;
        }
        let iaid = (self.config.want == Want::Address).then(|| self.iaid());
        let read = lease::read(&message, iaid);
        match (&mut self.state, message.kind) {
            (State::Soliciting { best, until }, Kind::Advertise) => match read {
                Ok(lease) => {
                    if lease.preference == AT_ONCE {
                        *until = now;
                    }
                    if best.as_ref().is_none_or(|best| best.preference < lease.preference) {
                        *best = Some(lease);
                    }
                    None
                }
                Err(words) => Some(Event::Refused(words)),
            },
            (State::Soliciting { .. }, Kind::Reply) if options.get(code::RAPID_COMMIT).is_none() => None,
            (State::Soliciting { .. } | State::Requesting { .. } | State::Informing, Kind::Reply) => {
                self.answered(now, read, Event::Bound)
            }
            (State::Renewing { .. } | State::Rebinding { .. }, Kind::Reply) => {
                self.answered(now, read, Event::Renewed)
            }
            _ => None,
        }
    }

    fn answered(
        &mut self,
        now: Duration,
        read: Result<Lease, String>,
        event: fn(Lease) -> Event,
    ) -> Option<Event> {
        match read {
            Ok(lease) => {
                self.state = State::Bound { lease: lease.clone(), since: now };
                Some(event(lease))
            }
            Err(words) => {
                if matches!(self.state, State::Requesting { .. }) {
                    self.enter(State::Soliciting { best: None, until: now }, now);
                    // Not at once: whoever refuses would be asked in a busy loop.
                    self.next = now + FIRST_WAIT;
                }
                Some(Event::Refused(words))
            }
        }
    }

    /// Begins an exchange.
    fn enter(&mut self, state: State, now: Duration) {
        self.wait = match &state {
            State::Renewing { .. } | State::Rebinding { .. } => RENEW_WAIT,
            _ => FIRST_WAIT,
        };
        self.state = state;
        self.sent = 0;
        self.begun = now;
        self.next = now;
        self.transaction = self.random() as u32 & 0xff_ffff;
    }

    fn deadline(&self) -> Duration {
        match &self.state {
            State::Renewing { lease, since } => self.next.min(*since + lease.rebinding),
            State::Rebinding { lease, since } => self.next.min(*since + lease.valid),
            _ => self.next,
        }
    }

    /// Section 15: each wait is twice the one before it, give or take a tenth.
    fn send(&mut self, now: Duration) -> Step {
        let tenth = self.wait / 10;
        let jitter = Duration::from_micros(self.random() % (2 * tenth.as_micros() as u64).max(1));
        let wait = self.wait.saturating_sub(tenth) + jitter;
        // Section 18.2.1: the first wait of a SOLICIT is longer than the time in which advertisements come.
        let wait = if self.sent == 0 { wait.max(self.wait) } else { wait };
        let most = match &self.state {
            State::Renewing { .. } | State::Rebinding { .. } => MAX_RENEW_WAIT,
            _ => MAX_WAIT,
        };
        self.sent += 1;
        self.next = now + wait;
        self.wait = (self.wait * 2).min(most);
        if let State::Soliciting { until, .. } = &mut self.state {
            *until = now + FIRST_WAIT;
        }
        Step::Send(self.message(now).encode())
    }

    fn message(&self, now: Duration) -> Message {
        let (kind, server, address) = match &self.state {
            State::Soliciting { .. } => (Kind::Solicit, None, None),
            State::Requesting { lease } => (Kind::Request, Some(&lease.server), lease.address),
            State::Bound { lease, .. } | State::Renewing { lease, .. } => {
                (Kind::Renew, Some(&lease.server), lease.address)
            }
            State::Rebinding { lease, .. } => (Kind::Rebind, None, lease.address),
            State::Informing => (Kind::InformationRequest, None, None),
        };
        // After stateless DHCP there is nothing to renew: it is asked anew.
        let (kind, server) = match self.config.want {
            Want::Address => (kind, server),
            Want::Information => (Kind::InformationRequest, None),
        };
        let mut message = Message::new(kind, self.transaction);
        let options = &mut message.options;
        options.put(code::CLIENT_ID, self.duid());
        if let Some(server) = server {
            options.put(code::SERVER_ID, server.clone());
        }
        let hundredths = now.saturating_sub(self.begun).as_millis() / 10;
        options.put(code::ELAPSED, u16::try_from(hundredths).unwrap_or(u16::MAX).to_be_bytes());
        let requested = [code::DNS, code::DOMAINS, code::NTP, code::SNTP, code::SOL_MAX_RT];
        options
            .put(code::REQUESTED, requested.iter().flat_map(|code| code.to_be_bytes()).collect::<Vec<_>>());
        if kind == Kind::Solicit {
            options.put(code::RAPID_COMMIT, []);
        }
        if self.config.want == Want::Address {
            options.put(code::IA_NA, self.identity(address));
        }
        message
    }

    fn identity(&self, address: Option<std::net::Ipv6Addr>) -> Vec<u8> {
        let mut value = self.iaid().to_be_bytes().to_vec();
        // T1 and T2 are the server's to say.
        value.extend([0; 8]);
        if let Some(address) = address {
            let mut inner = super::Options::default();
            inner.put(code::IA_ADDRESS, [&address.octets()[..], &[0; 8]].concat());
            inner.encode(&mut value);
        }
        value
    }

    fn duid(&self) -> Vec<u8> {
        [&DUID_LL.to_be_bytes()[..], &ETHERNET.to_be_bytes(), &self.config.mac.0].concat()
    }

    fn iaid(&self) -> u32 {
        iaid(self.config.mac)
    }

    /// xorshift64.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// The identity association that an interface with that address asks for.
pub fn iaid(mac: Mac) -> u32 {
    let Mac([_, _, a, b, c, d]) = mac;
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests;
