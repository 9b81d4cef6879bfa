//! DHCPv6, RFC 8415: what a machine that boots needs of it. Packets and times in, packets and events out.
//!
//! - [`Message`]: a message and its options.
//! - [`client`]: asks for an address (IA_NA), or for information alone, and keeps the lease.
//!
//! Not supported: relays, prefixes (IA_PD), reconfiguration, authentication, the server's side.

pub mod client;
mod message;

pub use message::{Kind, Malformed, Message, Options};

use std::net::Ipv6Addr;

/// Where servers listen: All_DHCP_Relay_Agents_and_Servers, section 7.1.
pub const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// Their port.
pub const SERVER_PORT: u16 = 547;
/// The port of clients.
pub const CLIENT_PORT: u16 = 546;

/// Codes of options, section 21 unless another RFC is named.
pub mod code {
    /// Who asks.
    pub const CLIENT_ID: u16 = 1;
    /// Who answers.
    pub const SERVER_ID: u16 = 2;
    /// Addresses that are not temporary.
    pub const IA_NA: u16 = 3;
    /// One address in it.
    pub const IA_ADDRESS: u16 = 5;
    /// What the client wants to know.
    pub const REQUESTED: u16 = 6;
    /// Which server is to be preferred.
    pub const PREFERENCE: u16 = 7;
    /// For how long the client has been asking.
    pub const ELAPSED: u16 = 8;
    /// How it went.
    pub const STATUS: u16 = 13;
    /// Two messages do, instead of four.
    pub const RAPID_COMMIT: u16 = 14;
    /// Name servers, RFC 3646.
    pub const DNS: u16 = 23;
    /// Search domains, RFC 3646.
    pub const DOMAINS: u16 = 24;
    /// Time servers by their addresses, RFC 4075.
    pub const SNTP: u16 = 31;
    /// Time servers, RFC 5908: suboptions of address, multicast address and name.
    pub const NTP: u16 = 56;
    /// The longest wait between two questions, RFC 8415 section 21.24: every client has to ask for it.
    pub const SOL_MAX_RT: u16 = 82;
}
