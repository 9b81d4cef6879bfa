//! qcow2: QEMU's copy-on-write disk, versions 2 and 3.
//!
//! Specification: `docs/interop/qcow2.txt` of QEMU. All numbers are big-endian.
//!
//! ```text
//!   header ──▶ L1 table ──▶ L2 tables ──▶ clusters of 512 bytes to 2 MiB
//!     │          one entry    one entry     as they are, or compressed,
//!     │          for each     for each      or zeros, or in the backing file
//!     │          L2 table     cluster
//!     ├─ extensions: format of the backing file, name of the data file, …
//!     ├─ refcount table ──▶ refcount blocks: how often each cluster is used
//!     └─ snapshot table: each has an L1 table of its own
//! ```
//!
//! | | read | written |
//! |---|---|---|
//! | versions | 2, 3 | 3 |
//! | compressed clusters | zlib, zstd | zlib, zstd |
//! | extended L2 (subclusters) | yes | no |
//! | backing file, external data file | yes, when attached | no |
//! | internal snapshots | listed, opened | no |
//! | encryption (AES, LUKS) | named, its clusters are refused | no |
//! | dirty bitmaps | ignored | no |
//!
//! Not read: version 1. The refcounts are not looked at: they say what is free, not what is there; so a
//! disk that was not closed (`dirty`) is read as well as any other.

mod header;
mod map;
mod reader;
mod snapshot;
mod writer;

pub use header::{CompressionType, Encryption, Header, Incompatible};
pub use reader::Qcow2;
pub use snapshot::Snapshot;
pub use writer::write;
