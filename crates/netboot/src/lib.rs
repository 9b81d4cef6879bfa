//! Boot protocols without sockets: packets and times in, packets and events out.
//!
//! - [`dhcp`]: the DHCPv4 message, a [server](dhcp::server) for proxyDHCP and leases, a
//!   [client](dhcp::client) for the agent.
//! - [`dhcp6`]: the DHCPv6 message and a [client](dhcp6::client); [`ndp`]: what routers of IPv6 advertise.
//! - [`sntp`]: a question to a time server, and its answer.
//! - [`tftp`]: read sessions with every option that boot loaders use.
//! - [`ipxe`]: the boot script for the machine that asks.
//! - [`machine`]: who asks, and with which program; [`arch`]: option 93 as data; [`quirks`]: what
//!   firmware does differently, as data; [`assign`]: which machine boots which image.
//!
//! A server puts sockets around this crate, the agent its own, and the tests none at all.

#![forbid(unsafe_code)]

pub mod arch;
pub mod assign;
pub mod dhcp;
pub mod dhcp6;
mod domains;
pub mod ipxe;
pub mod machine;
pub mod ndp;
pub mod quirks;
pub mod sntp;
pub mod tftp;

pub use arch::Architecture;
pub use machine::{Asker, Facts, Mac, Machine, Uuid};
