//! Disks as the verbs `convert` and `write` meet them: files, their neighbours, compressed ones, broken ones.

mod digest;
mod eager;
mod files;
mod output;
mod rescue;
mod source;
mod unpack;

pub use digest::{ContentDigest, PIECE, Progress};
pub use eager::Eager;
pub use output::atomically;
pub use rescue::Rescue;
pub use source::{Opened, Request, fault};
