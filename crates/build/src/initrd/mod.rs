//! An initrd for one kernel: its modules, their firmware, the agent, and the reason for each file.
//!
//! A [`Plan`] says what is wanted; [`assemble()`] does it:
//!
//! 1. [`Kernel::open`] reads the indexes that depmod(8) wrote, out of any [`Tree`];
//! 2. the [profile](Profile) chooses modules by its rules, dependencies are followed
//!    (`modules::selection`);
//! 3. the modules are read and unpacked on all cores, each checked to be this kernel's and asked for its
//!    firmware (`modules::load`), which is then looked for (`firmware`);
//! 4. it all becomes one cpio archive, cut into pieces that are compressed at the same time (`pack`),
//!    behind the early [`Microcode`].
//!
//! ```text
//! /init                               the agent
//! /bootwright/pin.json                ties the initrd to its root (by the caller)
//! /bootwright/modules.load            modules to be loaded at once, one name a line
//! /bootwright/initrd.json             why each file is in: Contents
//! /lib/modules/VERSION/               unpacked .ko files, modules.{dep,alias,softdep,builtin}
//! /lib/firmware/                      unpacked
//! /proc /sys /dev /run /tmp           empty
//! ```
//!
//! The same plan gives the same bytes, whatever the number of threads.

mod assemble;
mod config;
pub mod contents;
mod error;
pub mod explain;
mod files;
mod firmware;
pub mod host;
mod location;
mod microcode;
pub mod modules;
mod pack;
mod parallel;
mod profile;
mod report;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;

use std::num::NonZeroUsize;

use bootwright_formats::compression::Compression;

pub use assemble::{assemble, segment};
pub use config::{Choice, Config};
pub use contents::{Contents, Why};
pub use error::Error;
pub use files::{Addition, Content};
pub use firmware::Place;
pub use location::Location;
pub use microcode::Microcode;
pub use modules::Kernel;
pub use modules::selection::{LoadTime, Otherwise, Wanted};
pub use profile::Profile;
pub use report::Report;
pub use tree::{Directory, MAX_FILE, Tree};

/// Where the names of the modules that are loaded at once lie in the initrd.
pub const MODULES_LOAD: &str = "/bootwright/modules.load";

/// What an initrd shall be made of.
pub struct Plan<'a> {
    /// The root file system that kernel, modules and firmware are taken from.
    pub tree: &'a dyn Tree,
    /// `lib/modules/VERSION` or `usr/lib/modules/VERSION` in it.
    pub modules: String,
    /// What kind of machine it is for.
    pub profile: Profile,
    /// Modules beyond the profile.
    pub wanted: Vec<Wanted>,
    /// Further files: a [pin](Addition::pin), an own `/init`.
    pub additions: Vec<Addition>,
    /// The agent's program, to become `/init`.
    pub agent: Option<Vec<u8>>,
    /// Early microcode, in this order.
    pub microcode: Vec<Microcode<'a>>,
    /// Where firmware is looked for before the tree.
    pub firmware: Vec<Place<'a>>,
    /// The kernel's configuration, when it does not lie in the tree.
    pub config: Option<Config>,
    /// How to compress.
    pub compression: Choice,
    /// Seconds since 1970, the time of every file.
    pub mtime: u32,
    /// Threads to use.
    pub threads: NonZeroUsize,
}

impl<'a> Plan<'a> {
    /// The network profile for the kernel whose modules lie at `modules` in `tree`, on all cores, nothing
    /// else in it.
    pub fn new(tree: &'a dyn Tree, modules: &str) -> Self {
        Self {
            tree,
            modules: modules.trim_matches('/').to_owned(),
            profile: Profile::Network,
            wanted: Vec::new(),
            additions: Vec::new(),
            agent: None,
            microcode: Vec::new(),
            firmware: Vec::new(),
            config: None,
            compression: Choice::Auto,
            mtime: 0,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// The compressions that [`Choice::Fixed`] may name.
pub const COMPRESSIONS: [Compression; 5] =
    [Compression::None, Compression::Zstd, Compression::Xz, Compression::Gzip, Compression::Lz4Legacy];
