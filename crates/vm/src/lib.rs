//! QEMU machines in private networks: the one harness of `bootwright vm`, the demo and the tests.
//!
//! A [`Lab`] is a network of its own: user, network, mount and PID namespaces that go away with the
//! program that made them, with a bridge inside. [`Lab::command`] runs a program there, and
//! [`Service`] keeps one running and what it says in a [`Transcript`].
//!
//! A [`Machine`] is a QEMU on that bridge: [`Builder`](machine::Builder) says what it is made of,
//! [`Machine::expect`] waits for what its console says.
//!
//! [`Server`] is our own server on the bridge, [`Road`] names the ways from it into a machine, and
//! [`uki::Parts`] is for the road that needs neither.
//!
//! Where the host makes no namespaces, a [`Switch`] in user space connects machines and server instead;
//! [`network::make`] finds out.
//!
//! The host's own network is never touched, and no privilege is needed.

#![forbid(unsafe_code)]

mod error;
pub mod lab;
pub mod machine;
pub mod network;
mod road;
pub mod server;
pub mod service;
mod switch;
pub mod transcript;
pub mod uki;

pub use error::Error;
pub use lab::Lab;
pub use machine::Machine;
pub use network::Network;
pub use road::{NoRoad, Road};
pub use server::Server;
pub use service::Service;
pub use switch::{Switch, VlanId};
pub use transcript::{NotSeen, Seen, Transcript};
