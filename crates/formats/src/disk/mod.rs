//! Disks as virtual machines hold them: qcow2, VMDK, VHD, VHDX, VDI and raw.
//!
//! Every reader takes bytes and *is* the disk in them, a [`ReadAt`](crate::ReadAt): what a guest would read, with its
//! holes known. [`open`] tells the formats apart by their magic and brings in the other files that an
//! image names.
//!
//! ```text
//!   bytes ──▶ Qcow2::parse ──▶ references() ──▶ Files::open ──▶ attach ──▶ a ReadAt
//!             header, geometry   parents, parts,   (the caller's    identity
//!             snapshots          data files         own policy)     checked
//! ```
//!
//! * [`Disk`]: any of them. The metadata are public fields of each reader: [`qcow2::Qcow2`],
//!   [`vmdk::Vmdk`], [`vhd::Vhd`], [`vhdx::Vhdx`], [`vdi::Vdi`].
//! * `write` in each format's module: takes a [`ReadAt`](crate::ReadAt) and writes it in one pass. [`Blocks`] is what they
//!   share: holes are skipped, zeros found, clusters compressed on all cores.
//! * [`container`]: archives that hold a disk and describe its machine: OVA, Vagrant, GCE.
//! * [`Files`]: how the other files are reached; nothing here opens one by itself.
//!
//! A reader keeps no table as large as a header says: tables are read in pieces when they are needed, and
//! the pieces that are kept are bounded. A damaged table costs the part of the disk that it describes;
//! reading the rest goes on.

mod blocks;
mod chain;
pub mod container;
mod error;
mod field;
mod format;
mod layout;
mod pack;
mod pages;
pub mod qcow2;
pub mod raw;
mod sink;
pub mod vdi;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;

pub use blocks::{BATCH, Blocks, Units, Watch};
pub use chain::{Disk, Files, MAX_CHAIN, NoFiles, Reference, Role, Source, open, open_as};
pub use error::Error;
pub use format::Format;
pub use raw::Raw;
pub use sink::Options;

use crate::Shared;

/// The smallest piece that a guest reads or writes: every virtual size is a multiple of it.
pub const SECTOR: u64 = 512;
