//! Disks as the verbs `convert` and `write` meet them: files, their neighbours, compressed ones, broken ones.

mod digest;
mod files;
mod output;
mod rescue;
mod source;
mod unpack;

pub use digest::{PIECE, Progress};
pub use output::atomically;
pub use rescue::Rescue;
pub use source::{Opened, Request, fault};
