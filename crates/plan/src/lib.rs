//! What a machine will do, decided from its command line and the pin in its initrd, before anything is done.
//!
//! The agent acts on these decisions and `bootwright explain cmdline` tells them: there is one reader of the
//! line, so that the two cannot drift apart. No I/O, no clock, no network.
//!
//! - [`Instructions`]: the line of the build and the machine's own, as one.
//! - [`boot`]: which image, and what vouches for it ([`address`], [`aria2`]).
//! - [`foreign_root`]: images of others, by the names of others ([`pull`], [`live`]).
//! - [`disk`]: where roots are kept from one boot to the next, and which of them may boot.
//! - [`network`]: which interfaces come up, and how.
//! - [`remote`]: a root that another machine has, as a device or a file system.
//! - [`proxy`], [`time`]: through whom servers are asked, and who is asked for the time.
//! - [`foreign`]: what became of the parameters of other boot systems.
//! - [`explain()`]: all of it in words, with what contradicts itself.

#![forbid(unsafe_code)]

pub mod address;
pub mod aria2;
pub mod aria2_options;
pub mod boot;
mod contradictions;
pub mod disk;
mod explain;
pub mod foreign;
pub mod foreign_root;
mod instructions;
pub mod live;
pub mod network;
pub mod part;
pub mod proxy;
pub mod pull;
pub mod remote;
pub mod time;

pub use contradictions::contradictions;
pub use explain::{Explanation, Parameter, Step, Understood, explain};
pub use instructions::{Instructions, PinError, parse_pin};
