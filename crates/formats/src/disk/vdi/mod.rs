//! VDI: VirtualBox's disk.
//!
//! Specification: VirtualBox's `VDICore.h`, and the head of QEMU's `block/vdi.c`. All numbers are
//! little-endian.
//!
//! ```text
//!   header of 512 bytes ──▶ block map ──▶ blocks, usually of 1 MiB
//!     geometry, UUIDs        one number     in the order in which they were first written
//!                            for each
//! ```
//!
//! | | read | written |
//! |---|---|---|
//! | dynamic, static | yes | yes |
//! | differencing | recognised: a VDI knows its parent's UUID, not its file | no |
//! | blocks of other sizes, without extra data | yes | 1 MiB |
//! | undo images | no | no |
//! | versions before 1.1 | no | no |

mod header;
mod reader;
mod writer;

pub use header::{Header, ImageType};
pub use reader::Vdi;
pub use writer::write;
