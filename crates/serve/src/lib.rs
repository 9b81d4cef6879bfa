//! Sockets and state around the boot protocols.
//!
//! - [`images`]: the catalogue: image directories, checked and opened.
//! - [`dhcp`]: ports 67 and 4011, leases that survive a restart; [`tftp`]: port 69.
//! - [`http`]: artifacts by sendfile(2), everything else through a router.

pub mod api;
pub mod dhcp;
pub mod http;
pub mod images;
pub mod recorder;
pub mod state;
#[cfg(test)]
mod testing;
pub mod tftp;
mod ui;
