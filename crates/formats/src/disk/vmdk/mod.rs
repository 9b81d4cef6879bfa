//! VMDK: VMware's disk.
//!
//! Specification: VMware's "Virtual Disk Format 5.0". The numbers of sparse extents are little-endian, and
//! count sectors of 512 bytes.
//!
//! ```text
//!   descriptor (text) ──▶ extents ──┬─ FLAT    bytes as they are, in another file
//!    in a file of its own,          ├─ SPARSE  header ─▶ grain directory ─▶ grain tables ─▶ grains
//!    or in a sparse extent          └─ ZERO
//!
//!   streamOptimized:  header  descriptor  │ marker, compressed grain │ …  grain tables  directory  footer
//!                     (directory: at the end, the footer is a header that says where)
//! ```
//!
//! | createType | read | written |
//! |---|---|---|
//! | monolithicSparse | yes | yes |
//! | streamOptimized | yes | yes |
//! | monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat, vmfs, custom | yes, when the parts are attached | no |
//! | parents (`parentFileNameHint`) | yes, when attached | no |
//! | vmfsSparse (COWD), seSparse | named and refused | no |
//! | raw device mappings | named and refused | no |
//!
//! Of the two grain directories the first is read; the redundant one is for repair.

mod descriptor;
mod header;
mod reader;
mod sparse;
mod writer;

pub use descriptor::{Descriptor, ExtentLine, ExtentType};
pub use header::Header;
pub use reader::Vmdk;
pub use writer::{Description, write_sparse, write_stream};
