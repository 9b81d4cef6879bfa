//! What the server decided, for operators and timelines.

use std::fmt;
use std::net::Ipv4Addr;

use super::boot::{NoPlan, Plan};
use super::config::Sending;
use crate::machine::Facts;

/// One decision about one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Who asked.
    pub facts: Facts,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it was only said.
    pub sending: Sending,
}

/// What came of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// DISCOVER was answered with OFFER.
    Offered {
        /// Unless another server gives it.
        address: Option<Ipv4Addr>,
        /// What it boots.
        boot: Result<Plan, NoPlan>,
    },
    /// REQUEST was answered with ACK and a lease.
    Leased {
        /// The address.
        address: Ipv4Addr,
        /// What it boots.
        boot: Result<Plan, NoPlan>,
    },
    /// A machine that has its address asked what to boot (port 4011, INFORM).
    Told(Result<Plan, NoPlan>),
    /// REQUEST was answered with NAK.
    Denied {
        /// What it wanted.
        address: Ipv4Addr,
        /// Why not.
        why: &'static str,
    },
    /// The machine gave its address back.
    Released(Ipv4Addr),
    /// The machine found another one using the address.
    Declined(Ipv4Addr),
    /// Every address is in use.
    Exhausted,
    /// The address that is reserved for it is still leased to another machine.
    ReservedInUse(Ipv4Addr),
    /// It came through a relay from a subnet that is not configured.
    NoSubnet(Ipv4Addr),
    /// It got no answer.
    Ignored(NoPlan),
    /// It got no answer, nor will what it sends in the next second.
    TooMany,
    /// What it needs to know does not fit into what it takes.
    TooLong {
        /// Bytes of the answer.
        size: usize,
        /// Bytes that it takes.
        max: usize,
    },
}

impl Event {
    /// The line without the MAC, for the timeline of the machine.
    pub fn text(&self) -> String {
        format!("{}: {}{}", self.facts, if self.dry() { "would have " } else { "" }, Worded(self))
    }

    /// Whether an operator should look at it.
    pub fn is_trouble(&self) -> bool {
        match &self.outcome {
            Outcome::Offered { boot, .. } | Outcome::Leased { boot, .. } | Outcome::Told(boot) => {
                matches!(boot, Err(error) if *error != NoPlan::NotBooting)
            }
            Outcome::Released(_) => false,
            Outcome::Ignored(why) => !matches!(why, NoPlan::Refused(crate::assign::Refusal::NotAllowed)),
            _ => true,
        }
    }

    fn dry(&self) -> bool {
        let answers = matches!(
            self.outcome,
            Outcome::Offered { .. } | Outcome::Leased { .. } | Outcome::Told(_) | Outcome::Denied { .. }
        );
        self.sending == Sending::Nothing && answers
    }
}

impl fmt::Display for Event {
    /// `52:54:00:12:34:56 UEFI x64 HTTP: offered 10.0.0.50, image worker by HTTP Boot`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.facts.machine.mac, self.text())
    }
}

struct Worded<'a>(&'a Event);

impl fmt::Display for Worded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.outcome {
            Outcome::Offered { address: Some(address), boot } => {
                write!(f, "offered {address}{}", Boot(boot))
            }
            Outcome::Offered { address: None, boot: Ok(plan) } => write!(f, "offered {plan}"),
            Outcome::Offered { address: None, boot: Err(why) } => write!(f, "offered nothing to boot: {why}"),
            Outcome::Leased { address, boot } => write!(f, "leased {address}{}", Boot(boot)),
            Outcome::Told(Ok(plan)) => write!(f, "told to boot {plan}"),
            Outcome::Told(Err(why)) => write!(f, "told nothing to boot: {why}"),
            Outcome::Denied { address, why } => write!(f, "denied {address}: {why}"),
            Outcome::Released(address) => write!(f, "gave {address} back"),
            Outcome::Declined(address) => {
                write!(f, "refused {address} because another machine uses it; it rests for ten minutes")
            }
            Outcome::Exhausted => f.write_str("no address left: widen the range or shorten the lease time"),
            Outcome::ReservedInUse(address) => {
                write!(f, "not answered: {address}, reserved for it, is still in use by another machine")
            }
            Outcome::NoSubnet(relay) => write!(f, "relayed by {relay}, for which no subnet is configured"),
            Outcome::Ignored(why) => write!(f, "not answered: {why}"),
            Outcome::TooMany => f.write_str("asks too often, not answered for now"),
            Outcome::TooLong { size, max } => {
                write!(f, "not answered: the answer has {size} bytes and it takes {max}")
            }
        }
    }
}

struct Boot<'a>(&'a Result<Plan, NoPlan>);

impl fmt::Display for Boot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(plan) => write!(f, ", {plan}"),
            Err(NoPlan::NotBooting) => Ok(()),
            Err(why) => write!(f, ", nothing to boot: {why}"),
        }
    }
}
