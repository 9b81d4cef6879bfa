//! The DHCP server: packets and times in; answers, changes of leases and events out.
//!
//! ```text
//! port 67 ─▶ receive ─▶ limit per machine ─▶ quirks ─▶ boot::plan ─▶ proxy ─┐
//!                                                          └───────▶ full ──┴─▶ Output
//! port 4011 ─▶ receive_pxe ─▶ … ─▶ boot::plan ─────────────────────────────────▶ Output
//! ```
//!
//! As *proxyDHCP* it answers DISCOVER of machines that want to boot with an OFFER without an address, and
//! is silent to everybody else. As a *full* server it keeps [leases](Leases). What a machine boots is a
//! [`Plan`]; both modes write it the same way.
//!
//! A caller must make an [`Output::change`] durable before it sends the answer that came with it.
//!
//! Not supported: BOOTP, rapid commit (option 80), subnet selection (118), dynamic DNS, a ping before an
//! address is offered (DECLINE is honoured).

mod boot;
mod config;
mod event;
mod full;
mod leases;
mod limit;
mod record;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

pub use boot::{How, NoPlan, Plan};
pub use config::{
    Boot, Config, LEASE_TIME, Loader, MAX_ADDRESSES, MIN_LEASE_TIME, Mode, Reservation, Road, Sending,
    Subnet, SubnetConfig, SubnetError,
};
pub use event::{Event, Outcome};
pub use leases::{Leases, OFFER_TIME, QUARANTINE};
pub use limit::{BURST, MAX_WATCHED, PER_SECOND};
pub use record::{BadLease, Lease, State};

use super::{CLIENT_PORT, MessageType, Op, Packet, PacketError, SERVER_PORT, code};
use crate::machine::{Asker, Facts};
use crate::quirks::{self, Change};
use limit::Verdict;

/// What a client takes at least (RFC 2131 section 2), bytes of the IP packet.
const MIN_SIZE: u16 = 576;
/// What fits into an Ethernet frame, bytes of the IP packet: OVMF says 65 280 and means it.
const MAX_SIZE: u16 = 1500;
/// Headers of IP and UDP, part of what option 57 counts.
const HEADERS: usize = 28;

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The message.
    pub bytes: Vec<u8>,
    /// Where to: the broadcast address unless the client can be reached by unicast without ARP tricks.
    pub to: SocketAddrV4,
}

/// What came of one packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// To be sent from the port on which the packet arrived, after `change` is durable.
    pub reply: Option<Reply>,
    /// The new state of a lease, to be kept.
    pub change: Option<Lease>,
    /// For operators and timelines.
    pub event: Option<Event>,
}

/// The server of one interface.
#[derive(Debug)]
pub struct Server {
    config: Config,
    quirks: &'static [quirks::Quirk],
    leases: Leases,
    limit: limit::Limit,
}

/// One request, read and judged.
struct Request<'a> {
    packet: &'a Packet,
    kind: MessageType,
    facts: Facts,
    changes: Vec<Change>,
    now: Duration,
}

impl Server {
    /// A server with the leases of its last run.
    pub fn new(config: Config, leases: Leases) -> Self {
        Self { config, quirks: quirks::TABLE, leases, limit: limit::Limit::default() }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes other rules, after the images have changed.
    pub fn set_rules(&mut self, rules: crate::assign::Rules) {
        self.config.rules = rules;
    }

    /// The leases.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// Takes in a packet that arrived on port 67. `now` counts from 1970. What is no request of a DHCP
    /// client is passed over.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) -> Output {
        let Ok(packet) = Packet::parse(bytes) else { return Output::default() };
        let Some(request) = self.read(now, &packet) else { return Output::default() };
        let answered = match &self.config.mode {
            Mode::Proxy => self.wants_proxy(&request),
            Mode::Full(_) => true,
        };
        if !answered {
            return Output::default();
        }
        if let Some(output) = self.judge(&request) {
            return output;
        }
        let output = match &self.config.mode {
            Mode::Proxy => self.proxy(request),
            Mode::Full(_) => self.full(request),
        };
        self.finish(output)
    }

    /// Takes in a packet that arrived on port 4011 (PXE 2.1 section 2.2.3): a machine that has an address
    /// asks for its boot file. The answer goes where the packet came `from`.
    pub fn receive_pxe(&mut self, now: Duration, bytes: &[u8], from: SocketAddrV4) -> Output {
        let Ok(packet) = Packet::parse(bytes) else { return Output::default() };
        let Some(request) = self.read(now, &packet) else { return Output::default() };
        let asks = matches!(request.kind, MessageType::Request | MessageType::Inform);
        if !asks || request.facts.asker == Asker::Other || !is_host(*from.ip()) {
            return Output::default();
        }
        if let Some(output) = self.judge(&request) {
            return output;
        }
        let output = self.tell(request, from);
        self.finish(output)
    }

    fn read<'a>(&self, now: Duration, packet: &'a Packet) -> Option<Request<'a>> {
        if packet.op != Op::Request {
            return None;
        }
        let kind = packet.message_type()?;
        let mut facts = Facts::read(packet)?;
        let changes = quirks::changes(self.quirks, &facts);
        for change in &changes {
            if let Change::Architecture(architecture) = change {
                facts.architectures = vec![*architecture];
            }
        }
        Some(Request { packet, kind, facts, changes, now })
    }

    /// A proxy speaks to machines that want to boot, and to those only: DISCOVER, and INFORM of a machine
    /// whose address was set by hand. REQUEST on port 67 is for the server that gives the lease.
    fn wants_proxy(&self, request: &Request<'_>) -> bool {
        let kind = matches!(request.kind, MessageType::Discover | MessageType::Inform);
        kind && request.facts.asker != Asker::Other
    }

    /// An output when the request is not to be answered.
    fn judge(&mut self, request: &Request<'_>) -> Option<Output> {
        match self.limit.judge(request.now, request.facts.machine.mac) {
            Verdict::Drop => return Some(Output::default()),
            Verdict::Say => return Some(self.event(request.facts.clone(), Outcome::TooMany)),
            Verdict::Answer => {}
        }
        if self.config.rules.allows(request.facts.machine.mac) {
            return None;
        }
        // One word when it begins, not one for each of its packets.
        let begins = request.kind == MessageType::Discover && request.facts.asker != Asker::Other;
        let why = NoPlan::Refused(crate::assign::Refusal::NotAllowed);
        let ignored = || self.event(request.facts.clone(), Outcome::Ignored(why));
        Some(if begins { ignored() } else { Output::default() })
    }

    fn proxy(&mut self, request: Request<'_>) -> Output {
        if request.kind == MessageType::Inform {
            let to = SocketAddrV4::new(request.packet.ciaddr, CLIENT_PORT);
            return if is_host(*to.ip()) { self.tell(request, to) } else { Output::default() };
        }
        let plan = match boot::plan(&self.config, &request.facts, &request.changes) {
            Ok(plan) => plan,
            Err(why) => return self.event(request.facts, Outcome::Ignored(why)),
        };
        let mut answer = self.answer(request.packet, MessageType::Offer);
        boot::write(&plan, &self.config, request.packet, &mut answer, boot::Answer::Offer);
        let outcome = Outcome::Offered { address: None, boot: Ok(plan) };
        self.send(request, answer, outcome)
    }

    /// Answers a machine that has an address with what it boots.
    fn tell(&mut self, request: Request<'_>, to: SocketAddrV4) -> Output {
        let plan = match boot::plan(&self.config, &request.facts, &request.changes) {
            Ok(plan) => plan,
            Err(why) => return self.event(request.facts, Outcome::Ignored(why)),
        };
        let mut answer = self.answer(request.packet, MessageType::Ack);
        answer.ciaddr = request.packet.ciaddr;
        boot::write(&plan, &self.config, request.packet, &mut answer, boot::Answer::Final);
        let mut output = self.send(request, answer, Outcome::Told(Ok(plan)));
        if let Some(reply) = &mut output.reply {
            reply.to = to;
        }
        output
    }

    /// The beginning of every answer: what must be copied, and who we are.
    fn answer(&self, request: &Packet, kind: MessageType) -> Packet {
        let mut answer = request.reply(kind);
        answer.options.put(code::SERVER_ID, self.config.address.octets());
        // RFC 6842, RFC 3046 section 2.2.
        for copied in [code::CLIENT_ID, code::RELAY_AGENT] {
            if let Some(value) = request.options.get(copied) {
                answer.options.put(copied, value);
            }
        }
        answer
    }

    fn send(&self, request: Request<'_>, answer: Packet, outcome: Outcome) -> Output {
        let max = request.packet.options.number(code::MAX_SIZE).unwrap_or(MIN_SIZE).clamp(MIN_SIZE, MAX_SIZE);
        match answer.encode(usize::from(max) - HEADERS) {
            Ok(bytes) => {
                let to = destination(request.packet, &answer);
                let mut output = self.event(request.facts, outcome);
                output.reply = Some(Reply { bytes, to });
                output
            }
            Err(PacketError::TooLong { size, max }) => {
                self.event(request.facts, Outcome::TooLong { size, max })
            }
            // Encoding has no other error.
            Err(_) => Output::default(),
        }
    }

    fn event(&self, facts: Facts, outcome: Outcome) -> Output {
        let event = Event { facts, outcome, sending: self.config.sending };
        Output { event: Some(event), ..Output::default() }
    }

    /// In a dry run nothing but the event remains.
    fn finish(&self, output: Output) -> Output {
        match self.config.sending {
            Sending::Answers => output,
            Sending::Nothing => Output { event: output.event, ..Output::default() },
        }
    }
}

/// RFC 2131 section 4.1: to the relay if there is one, to the client if it has an address, else to all. A
/// client without an address would need a frame to its Ethernet address when it has not set the broadcast
/// flag; every client takes a broadcast as well.
fn destination(request: &Packet, answer: &Packet) -> SocketAddrV4 {
    let nak = answer.message_type() == Some(MessageType::Nak);
    if is_host(request.giaddr) {
        SocketAddrV4::new(request.giaddr, SERVER_PORT)
    } else if is_host(request.ciaddr) && !nak {
        SocketAddrV4::new(request.ciaddr, CLIENT_PORT)
    } else {
        SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT)
    }
}

/// Whether a packet can be sent to one machine at that address.
fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback())
}

#[cfg(test)]
mod tests;
