//! Machines that give each other what they have, over the BitTorrent protocol.

mod bits;
pub mod policy;

pub use bits::{Bits, BitsError};
