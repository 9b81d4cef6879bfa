//! DHCPv4 (RFC 2131, 2132) with what network boot adds to it (PXE 2.1, RFC 4578, UEFI HTTP Boot).
//!
//! [`packet`] is the message; [`server`] answers as proxyDHCP or as a full server; [`client`] asks. None
//! of them has a socket or a clock: bytes and times go in, bytes and events come out.

pub mod client;
pub mod ipxe_option;
mod options;
pub mod packet;
pub mod server;

pub use options::Options;
pub use packet::{MessageType, Op, Packet, PacketError};

/// Where servers and relays listen.
pub const SERVER_PORT: u16 = 67;
/// Where clients listen.
pub const CLIENT_PORT: u16 = 68;
/// Where PXE clients ask for the boot file alone (PXE 2.1 section 2.2.3, "BINL").
pub const PXE_PORT: u16 = 4011;
/// The vendor class (option 60) of bootwright's agent and of the answer to it.
pub const AGENT_CLASS: &str = "bootwright";

/// Codes of the options that we read or write (RFC 2132 unless said otherwise).
#[allow(missing_docs, reason = "names are those of the RFC")]
pub mod code {
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DNS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const MTU: u8 = 26;
    pub const BROADCAST_ADDRESS: u8 = 28;
    pub const NTP: u8 = 42;
    pub const VENDOR: u8 = 43;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETERS: u8 = 55;
    pub const MESSAGE: u8 = 56;
    pub const MAX_SIZE: u8 = 57;
    pub const RENEWAL: u8 = 58;
    pub const REBINDING: u8 = 59;
    pub const VENDOR_CLASS: u8 = 60;
    pub const CLIENT_ID: u8 = 61;
    pub const TFTP_SERVER: u8 = 66;
    pub const BOOT_FILE: u8 = 67;
    /// RFC 3004.
    pub const USER_CLASS: u8 = 77;
    /// RFC 3046.
    pub const RELAY_AGENT: u8 = 82;
    /// RFC 4578.
    pub const CLIENT_ARCH: u8 = 93;
    /// RFC 4578.
    pub const CLIENT_NDI: u8 = 94;
    /// RFC 4578.
    pub const CLIENT_UUID: u8 = 97;
    /// RFC 3442.
    pub const CLASSLESS_ROUTES: u8 = 121;
    /// iPXE's own options, encapsulated.
    pub const IPXE: u8 = 175;

    /// What a message that is too long loses, in this order: what `siaddr` says too, then names.
    pub const DISPENSABLE: &[u8] = &[TFTP_SERVER, NTP, DOMAIN_NAME, HOST_NAME, BROADCAST_ADDRESS];
}
