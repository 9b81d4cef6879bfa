//! VHDX: the disk of Hyper-V.
//!
//! Specification: MS-VHDX, "Virtual Hard Disk v2 (VHDX) File Format". All numbers are little-endian,
//! checksums are CRC-32C.
//!
//! ```text
//!      0 "vhdxfile", creator     64K, 128K two headers: the one with the higher sequence number counts
//!                               192K, 256K two region tables ─┬─▶ metadata: sizes, names of the parent
//!   header ──▶ log: changes of                                └─▶ BAT ──▶ blocks of 1 to 256 MiB
//!              tables under way                                       └─▶ bitmaps of sectors
//! ```
//!
//! | | read | written |
//! |---|---|---|
//! | fixed, dynamic | yes | yes, blocks of 2 MiB and more |
//! | differencing | yes, when its parent is attached | no |
//! | log | replayed in memory, the file stays as it is | empty |
//! | logical sectors of 512 and 4096 bytes | yes | 512 |
//!
//! The BAT has an entry for a bitmap after each *chunk* of blocks: `2^23 × sector size` bytes of disk.

mod header;
mod log;
mod metadata;
mod reader;
mod regions;
mod writer;

pub use header::Header;
pub use metadata::{Metadata, ParentLocator};
pub use reader::Vhdx;
pub use writer::{Kind, write};
