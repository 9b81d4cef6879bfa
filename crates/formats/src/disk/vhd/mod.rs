//! VHD: the disk of Virtual PC, older Hyper-V, XenServer and Azure; QEMU calls it `vpc`.
//!
//! Specification: Microsoft's "Virtual Hard Disk Image Format Specification", 1.0 (2006). All numbers are
//! big-endian; times count from 2000-01-01 UTC.
//!
//! ```text
//!   fixed      data ………………………………………………………………………………………… footer (512 bytes)
//!   dynamic    copy of   header (1024)   block allocation   blocks, each behind a    footer
//!              footer    parent's names  table              bitmap of its sectors
//! ```
//!
//! | | read | written |
//! |---|---|---|
//! | fixed | yes | yes, for Azure on whole MiB |
//! | dynamic | yes | yes, blocks of 2 MiB |
//! | differencing | yes, when its parent is attached | no |
//!
//! **Which size.** The footer has the size twice: as a number of bytes and as a geometry. Virtual PC and old
//! QEMU mean the geometry, everybody else the number. As QEMU does, the number counts when the creator is
//! one of [`SIZE_COUNTS`], or when the geometry is the largest there is. What is written here says that the
//! number counts.
//!
//! Of a dynamic disk the sector bitmaps are ignored, as QEMU does; of a differencing one they decide.
//! Not read: footers of 511 bytes, which versions before Virtual PC 2004 wrote.

mod footer;
mod header;
mod reader;
mod writer;

pub use footer::{DiskType, Footer, Geometry, SIZE_COUNTS};
pub use header::DynamicHeader;
pub use reader::Vhd;
pub use writer::{Kind, write};
