//! File formats, byte by byte: what bootwright reads and writes without help of other programs.
//!
//! * [`cpio`]: the newc archive of an initramfs, reader and writer.
//! * [`compression`]: the compressed streams that a kernel unpacks, told apart by their magic bytes.
//! * [`initrd`]: a whole initrd, segment by segment, as the kernel walks it
//!   (feature `compression`).
//! * [`erofs`]: the read-only file system, [reader](erofs::reader) (feature `compression`) and writer (feature
//!   `erofs`).
//! * [`pe`]: PE files and the unified kernel image in them, reader and writer.
//! * [`linux`]: what a kernel says of itself in its first bytes.
//! * [`gpt`] and [`mbr`]: partition tables.
//! * [`fat`]: the file system of EFI system partitions, reader and writer.
//! * [`ext4`]: the file system of most roots, ext2 and ext3 too, reader.
//! * [`disk`]: the disks of virtual machines (feature `compression`).
//! * [`squashfs`]: the file system of live CDs, reader (feature `compression`).
//! * [`cache`]: the partition in which a machine keeps roots from one boot to the next, reader and writer.
//! * [`iso9660`]: CDs that are sticks too, reader and writer.
//! * [`tar`]: archives from any stream, and their writer.
//! * [`swap`]: the header of a swap area, writer.
//! * [`verity`]: dm-verity trees and their superblock (feature `verity`).
//! * [`ReadAt`]: how the readers of disks, partitions and file systems reach their bytes, so that they nest.
//! * [`Mosaic`]: what the writers of disks and file systems give, a [`ReadAt`] put together out of pieces.
//!
//! Every reader takes bytes that nobody has vouched for: it streams, checks each length before it uses
//! it, and names the offset of what it refuses. Nothing here opens a file, prints or knows a network.

#![forbid(unsafe_code)]

pub mod cache;
pub mod compression;
pub mod cpio;
mod date;
#[cfg(feature = "compression")]
pub mod disk;
#[cfg(feature = "compression")]
pub mod erofs;
pub mod ext4;
pub mod fat;
mod fields;
pub mod gpt;
mod guid;
#[cfg(feature = "compression")]
pub mod initrd;
pub mod iso9660;
pub mod linux;
pub mod mbr;
mod mosaic;
pub mod pe;
mod read_at;
#[cfg(feature = "compression")]
pub mod squashfs;
pub mod swap;
pub mod tar;
#[cfg(feature = "verity")]
pub mod verity;

pub use guid::{Guid, GuidError};
pub use mosaic::{Mosaic, Shared};
pub use read_at::{Extent, ExtentKind, FileBytes, ReadAt, Window};
