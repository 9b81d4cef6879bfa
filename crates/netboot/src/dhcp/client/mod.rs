//! A DHCPv4 client for the agent (RFC 2131 section 4.4): bytes and times in, bytes and events out.
//!
//! ```text
//! Selecting ──window closes──▶ Requesting ──ACK──▶ Bound ──T1──▶ Renewing ──T2──▶ Rebinding
//!     ▲                            │ NAK, no answer                                    │ expired
//!     └────────────────────────────┴───────────────────────────────────────────────────┘
//! ```
//!
//! It asks with vendor class `bootwright` and, when its image is known, that name as user class. Offers
//! are collected for a moment: the lease may come from one server and the image's URL from another (a
//! proxyDHCP, whose offer has `yiaddr` 0).
//!
//! Every message has the broadcast flag, so that answers reach an interface without an address through
//! an ordinary UDP socket bound to the device.

mod lease;

use std::net::Ipv4Addr;
use std::time::Duration;

pub use lease::Lease;

use super::packet::BROADCAST;
use super::{AGENT_CLASS, MessageType, Op, Packet, code};
use crate::machine::{Mac, Uuid};

/// How long offers are collected after the first address is offered when no image is wanted.
pub const WINDOW: Duration = Duration::from_millis(200);
/// How long offers are collected after the first address is offered when the image's URL is still
/// missing: a proxyDHCP on a busy host needs a moment.
pub const PROXY_WINDOW: Duration = Duration::from_millis(1500);
/// The first wait for an answer; it doubles up to [`MAX_WAIT`] (RFC 2131 section 4.1 begins with 4 s,
/// which a machine that boots does not have).
pub const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait for an answer.
pub const MAX_WAIT: Duration = Duration::from_secs(16);
/// A REQUEST that is not answered after so many attempts goes back to DISCOVER.
const MAX_REQUESTS: u32 = 4;
/// Offers that are kept: more is a flood.
const MAX_OFFERS: usize = 16;
/// The shortest wait between two attempts to renew (RFC 2131 section 4.4.5).
const MIN_RENEW_WAIT: Duration = Duration::from_secs(60);
/// The size of message that we take, in bytes of the IP packet.
const MAX_SIZE: u16 = 1500;
/// What we ask for (option 55).
const PARAMETERS: [u8; 14] = [
    code::SUBNET_MASK,
    code::CLASSLESS_ROUTES,
    code::ROUTER,
    code::DNS,
    code::DOMAIN_NAME,
    code::HOST_NAME,
    code::MTU,
    code::NTP,
    code::LEASE_TIME,
    code::SERVER_ID,
    code::RENEWAL,
    code::REBINDING,
    code::VENDOR_CLASS,
    code::BOOT_FILE,
];

/// Who asks, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The interface's address.
    pub mac: Mac,
    /// SMBIOS UUID, when known.
    pub uuid: Option<Uuid>,
    /// The name of the image, when it is pinned.
    pub image: Option<String>,
    /// What the client is waiting for.
    pub want: Want,
    /// Random bits, different for each machine and boot.
    pub seed: u64,
}

/// What the client is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// An address.
    Address,
    /// An address, and a URL of the image if anybody has one: waits longer for offers.
    AddressAndImage,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this from port 68 to port 67 of `to`, then call [`Client::poll`] again.
    Send {
        /// The message.
        packet: Vec<u8>,
        /// 255.255.255.255 or a server.
        to: Ipv4Addr,
    },
    /// Nothing before that time, unless something arrives.
    WaitUntil(Duration),
    /// The lease has run out: the address must no longer be used. The client starts over.
    Expired,
}

/// What an answer meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The address is ours.
    Bound(Lease),
    /// The same, for longer.
    Renewed(Lease),
    /// A server refused; with its words, when it has any. The client starts over.
    Refused(Option<String>),
}

#[derive(Debug)]
enum State {
    Selecting { deadline: Option<Duration> },
    Requesting { lease: Lease, attempts: u32 },
    Bound { lease: Lease, since: Duration },
}

/// The client of one interface. Times are durations since any fixed moment.
#[derive(Debug)]
pub struct Client {
    config: Config,
    random: u64,
    xid: u32,
    started: Duration,
    next: Duration,
    wait: Duration,
    state: State,
    offers: Vec<Lease>,
}

impl Client {
    /// A client that begins at `now`.
    pub fn new(config: Config, now: Duration) -> Self {
        let random = config.seed ^ config.mac.0.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        let mut client = Self {
            config,
            random,
            xid: 0,
            started: now,
            next: now,
            wait: FIRST_WAIT,
            state: State::Selecting { deadline: None },
            offers: Vec::new(),
        };
        client.restart(now);
        client
    }

    /// The next thing to do at `now`.
    pub fn poll(&mut self, now: Duration) -> Step {
        match &mut self.state {
            State::Selecting { deadline: Some(deadline) } if now >= *deadline => self.choose(now),
            State::Selecting { deadline: Some(deadline) } => Step::WaitUntil(*deadline),
            State::Selecting { deadline: None } => self.resend(now),
            State::Requesting { attempts, .. } if now >= self.next && *attempts >= MAX_REQUESTS => {
                self.restart(now);
                self.resend(now)
            }
            State::Requesting { attempts, .. } => {
                *attempts += u32::from(now >= self.next);
                self.resend(now)
            }
            State::Bound { lease, since } if now >= *since + lease.lease_time => {
                self.restart(now);
                Step::Expired
            }
            State::Bound { .. } => self.renew(now),
        }
    }

    /// Takes in what arrived on port 68. What is not for us, or not an answer, is passed over.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) -> Option<Event> {
        let packet = Packet::parse(bytes).ok()?;
        if packet.op != Op::Reply || packet.xid != self.xid || packet.mac() != Some(self.config.mac) {
            return None;
        }
        match (packet.message_type()?, &mut self.state) {
            (MessageType::Offer, State::Selecting { .. }) => {
                self.offered(now, Lease::read(&packet)?);
                None
            }
            (MessageType::Ack, State::Requesting { lease: offer, .. }) => {
                let mut lease = Lease::read(&packet)?;
                if lease.address != offer.address {
                    return None;
                }
                lease.merge(offer);
                self.bind(now, &lease);
                Some(Event::Bound(lease))
            }
            (MessageType::Ack, State::Bound { lease: old, since }) if now >= *since + old.renewal => {
                let mut lease = Lease::read(&packet)?;
                if lease.address != old.address {
                    return None;
                }
                lease.merge(old);
                self.bind(now, &lease);
                Some(Event::Renewed(lease))
            }
            (MessageType::Nak, State::Requesting { .. } | State::Bound { .. }) => {
                let words = packet.options.get(code::MESSAGE).map(crate::machine::printable);
                self.restart(now);
                Some(Event::Refused(words))
            }
            _ => None,
        }
    }

    /// The message that gives the lease back (RFC 2131 section 4.4.6) and the server it goes to.
    pub fn release(&mut self) -> Option<(Vec<u8>, Ipv4Addr)> {
        let State::Bound { lease, .. } = &self.state else { return None };
        let mut packet = Packet::request(self.config.mac, self.xid);
        packet.ciaddr = lease.address;
        packet.options.put(code::MESSAGE_TYPE, [MessageType::Release as u8]);
        packet.options.put(code::SERVER_ID, lease.server.octets());
        let to = lease.server;
        self.state = State::Selecting { deadline: None };
        Some((packet.encode(usize::from(MAX_SIZE)).ok()?, to))
    }

    fn offered(&mut self, now: Duration, lease: Lease) {
        if self.offers.len() == MAX_OFFERS {
            return;
        }
        self.offers.push(lease);
        if !self.offers.iter().any(Lease::has_address) {
            return;
        }
        let missing = self.config.want == Want::AddressAndImage
            && !self.offers.iter().any(|offer| offer.image.is_some());
        let close = now + if missing { PROXY_WINDOW } else { WINDOW };
        if let State::Selecting { deadline } = &mut self.state {
            *deadline = Some(deadline.map_or(close, |known| known.min(close)));
        }
    }

    /// Takes the first offer that has both address and image, else the first address, and the first image.
    fn choose(&mut self, now: Duration) -> Step {
        let both = |offer: &&Lease| offer.has_address() && offer.image.is_some();
        let best =
            self.offers.iter().find(both).or_else(|| self.offers.iter().find(|offer| offer.has_address()));
        let Some(mut lease) = best.cloned() else {
            self.restart(now);
            return self.resend(now);
        };
        for offer in &self.offers {
            if lease.image.is_none() {
                lease.image.clone_from(&offer.image);
            }
        }
        self.offers.clear();
        self.state = State::Requesting { lease, attempts: 1 };
        self.next = now;
        self.wait = FIRST_WAIT;
        self.resend(now)
    }

    fn resend(&mut self, now: Duration) -> Step {
        if now < self.next {
            return Step::WaitUntil(self.next);
        }
        // RFC 2131 section 4.1: a random part, so that a fleet does not ask in step.
        let jitter = self.wait.mul_f64((self.random() % 1000) as f64 / 4000.0);
        self.next = now + self.wait + jitter;
        self.wait = (self.wait * 2).min(MAX_WAIT);
        let mut packet = self.message(now);
        match &self.state {
            State::Selecting { .. } => {
                packet.options.put(code::MESSAGE_TYPE, [MessageType::Discover as u8]);
            }
            State::Requesting { lease, .. } | State::Bound { lease, .. } => {
                packet.options.put(code::MESSAGE_TYPE, [MessageType::Request as u8]);
                packet.options.put(code::REQUESTED_ADDRESS, lease.address.octets());
                packet.options.put(code::SERVER_ID, lease.server.octets());
            }
        }
        send(&packet, Ipv4Addr::BROADCAST)
    }

    /// RFC 2131 section 4.4.5: at T1 ask the server itself, at T2 anybody, at half of the time left again.
    fn renew(&mut self, now: Duration) -> Step {
        if now < self.next {
            return Step::WaitUntil(self.next);
        }
        let State::Bound { lease, since } = &self.state else { return Step::WaitUntil(self.next) };
        let rebinding = *since + lease.rebinding;
        let (until, to) = match now < rebinding {
            true => (rebinding, lease.server),
            false => (*since + lease.lease_time, Ipv4Addr::BROADCAST),
        };
        self.next = until.min(now + (until.saturating_sub(now) / 2).max(MIN_RENEW_WAIT));
        let address = lease.address;
        let mut packet = self.message(now);
        packet.ciaddr = address;
        packet.flags = 0;
        packet.options.put(code::MESSAGE_TYPE, [MessageType::Request as u8]);
        send(&packet, to)
    }

    fn message(&self, now: Duration) -> Packet {
        let mut packet = Packet::request(self.config.mac, self.xid);
        packet.secs = u16::try_from(now.saturating_sub(self.started).as_secs()).unwrap_or(u16::MAX);
        packet.flags = BROADCAST;
        packet.options.put(code::MAX_SIZE, MAX_SIZE.to_be_bytes());
        packet.options.put(code::VENDOR_CLASS, AGENT_CLASS);
        packet.options.put(code::PARAMETERS, PARAMETERS);
        let [a, b, c, d, e, f] = self.config.mac.0;
        packet.options.put(code::CLIENT_ID, [1, a, b, c, d, e, f]);
        if let Some(image) = &self.config.image {
            packet.options.put(code::USER_CLASS, image.as_bytes());
        }
        if let Some(uuid) = self.config.uuid {
            packet.options.put(code::CLIENT_UUID, [&[0], uuid.0.as_slice()].concat());
        }
        packet
    }

    fn bind(&mut self, now: Duration, lease: &Lease) {
        self.next = now + lease.renewal;
        self.state = State::Bound { lease: lease.clone(), since: now };
    }

    fn restart(&mut self, now: Duration) {
        self.xid = (self.random() >> 32) as u32;
        self.started = now;
        self.next = now;
        self.wait = FIRST_WAIT;
        self.offers.clear();
        self.state = State::Selecting { deadline: None };
    }

    /// splitmix64: spreads the seed, no secret depends on it.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

fn send(packet: &Packet, to: Ipv4Addr) -> Step {
    // Our own messages have a few short options and a name of at most 255 bytes: they always fit.
    let packet = packet.encode(usize::MAX).unwrap_or_default();
    Step::Send { packet, to }
}

#[cfg(test)]
mod tests;
