//! Mode `disk`: roots are kept on a disk of the machine, and mounted from there.
//!
//! ```text
//! server ─ tree ─▶ which blocks are new? ─ ranges ─┐
//!                 the cache's older roots ─ copies ─┴▶ chunks: digests ─▶ partition ─▶ dm-linear ─▶ dm-verity ─▶ root
//! ```
//!
//! 1. [`find()`] the partition, or make it where that is allowed and nothing is lost.
//! 2. Its header ([`formats::cache`]) says what lies there; [`check`] says what of it is still right.
//! 3. [`choose`]: the image, or the former one when the system of this one did not come up.
//! 4. [`fill()`]: what is missing is fetched into its [`room`], as a [delta] where the cache has an older root.
//! 5. [`enter()`]: mapped, mounted, noted; the system says that it is well by [`mark`].
//!
//! Nothing that lies on the disk is trusted: manifests are told by the digest that the initrd pins, chunks by the
//! manifest, and the kernel checks each block again when it is read.
//!
//! [`formats::cache`]: bootwright_formats::cache

mod base;
mod cache;
mod check;
mod choose;
mod create;
mod delta;
mod device;
mod enter;
mod fill;
mod find;
pub mod mark;
mod occupied;
mod reread;
mod room;
mod store;

pub use cache::{Cache, Kept};
pub use check::damaged;
pub use choose::{former, has_failed};
pub use enter::enter;
pub use fill::{FillError, fill};
pub use find::{FindError, find};
