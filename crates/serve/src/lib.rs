//! Sockets and state around the boot protocols.
//!
//! The protocols themselves are [`bootwright_netboot`], without sockets. Here:
//!
//! - [`config`]: what an operator says; [`options`]: what follows from it.
//! - [`daemon`]: all parts together, from binding ports to the last saved timeline.
//! - [`images`]: the catalogue: image directories, checked and opened.
//! - [`dhcp`]: ports 67 and 4011, leases that survive a restart; [`tftp`]: port 69; [`boot_files`]: what
//!   is found there.
//! - [`http`]: artifacts by sendfile(2), everything else through a router: [`api`] and a page for people.
//! - [`tracker`]: BitTorrent peers of what is served are told of one another.
//! - [`swarms`]: that tracker with a clock.
//! - [`seeding`]: this server in the swarms of what it serves.
//! - [`recorder`]: where every part says what happens; [`state`]: the timelines that come of it.
//! - [`metrics`]: the same in numbers.
//! - [`interface`], [`privileges`]: the host; [`gateway`]: a network that is not on it.
//!
//! Nothing here prints: lines for the operator go to a callback.

pub mod api;
pub mod boot_files;
mod chart;
pub mod config;
pub mod daemon;
pub mod dhcp;
pub mod gateway;
pub mod http;
pub mod images;
pub mod interface;
pub mod metrics;
pub mod options;
pub mod privileges;
pub mod recorder;
pub mod seeding;
pub mod state;
pub mod swarms;
#[cfg(test)]
mod testing;
pub mod tftp;
pub mod tracker;
mod ui;

pub use bootwright_netboot::Mac;
pub use bootwright_netboot::arch::{Cpu, Firmware};
pub use bootwright_netboot::assign::Rule;
pub use config::Config;
pub use daemon::{Ready, ServeError};
pub use images::ImageError;
pub use recorder::{Level, Notice, Tell};
