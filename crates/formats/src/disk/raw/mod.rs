//! Raw: the disk's bytes as they are. The holes are those of the file.

mod reader;
mod writer;

pub use reader::Raw;
pub use writer::write;
