//! What is this file, how does it boot, what does it need, what is wrong with it?
//!
//! [`inspect`] takes any bytes ([`Source`]) and gives a tree of [`Node`]s: a qcow2 with a GPT with an EFI
//! system partition with a UKI with an initrd. [`open`] goes the same way along an [address] and
//! gives the inner bytes themselves.
//!
//! 1. [`recognise`] asks each recogniser in turn; the first that knows the bytes gives a node and says
//!    what is [inside](recognise::Inner): other bytes, parts, or files.
//! 2. [`walk`] looks into what is inside, as far as [`Limits`] allow, and puts the tree together.
//! 3. [`check`] compares what one recogniser alone cannot see: kernel and initrd, partition type and
//!    content.
//!
//! A compressed file is unpacked first ([`packed`]), as far as [`Limits`] allow, since nothing can be looked for in
//! a stream. Else nothing is read but headers and directories, unless [`Depth::Deep`] asks for more: an image of many
//! gigabytes is explained from some dozen blocks, which a [`Cache`] keeps. Every byte is taken for hostile:
//! depth, nodes, members and allocations are bounded by named constants, and a fault becomes a [`Problem`]
//! with its offset, never an end of the inspection.

#![forbid(unsafe_code)]

pub mod address;
mod android;
mod archive;
mod bytes;
mod check;
mod config;
mod disk;
mod files;
mod filesystem;
mod firmware;
mod initrd;
mod kernel;
mod node;
mod os_release;
mod ours;
mod packed;
mod partitions;
mod pe;
mod recognise;
mod source;
mod superblock;
mod torrent;
mod uboot;
mod walk;
mod wim;

pub use address::{AddressError, Faults, open};
pub use files::{Entry, Files, HostDirectory};
pub use node::{Boot, Facts, Firmware, Node, Problem, Severity, Value, size_text};
pub use source::{Cache, Source, Stream};
pub use walk::{Depth, Limits, Options, inspect};
