//! Machines that give each other what they have, over the BitTorrent protocol.
//!
//! 1. The [policy] says who asks whom for what, and who is served next: a state machine without I/O.
//! 2. The [wire] module has the bytes: BEP 3, 6, 9 and 10.
//! 3. The [net] module runs both over sockets. Peers come from [trackers](announce), from the
//!    [local network](local) or from the caller.
//!
//! Standard clients can take part. A chunk counts only when its digest in the manifest is right, whoever
//! sent it: BEP 3's SHA-1 is for the others.

pub mod announce;
mod bits;
pub mod local;
pub mod net;
pub mod policy;
mod seeder;
pub(crate) mod udp;
pub mod wire;

pub use bits::{Bits, BitsError};
pub use net::{LocalDiscovery, METADATA_HOPE, PeerOptions, PeerShare, Port, fetch_metadata};
pub use seeder::{SeedStatus, Seeder};
