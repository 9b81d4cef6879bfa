//! A block device whose every read comes to this process.

mod device;
pub mod wire;

pub use device::{BLOCK, NbdDevice};
