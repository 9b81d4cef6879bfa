//! From a recipe to an image: root file system, initrd, UKI and their manifests.
//!
//! The way of a build, module by module:
//!
//! * [`recipe`]: the TOML file, checked, its faults told with their place in the text;
//! * [`source`]: where a root comes from: Debian packages, a tar archive, a directory;
//! * [`tree`]: the root as a table in memory, contents only referred to, [read from and written as tar](tar);
//! * [`customize`]: files, users, units and the rest that a recipe changes in it;
//! * [`kernel`]: the kernel with its modules and its configuration;
//! * [`root`]: the tree becomes `root.img`;
//! * [`initrd`]: the closure of modules and firmware for a kind of machine, around the agent;
//! * [`uki`]: kernel, initrd and command line in one PE file;
//! * [`media`]: disks and ISOs around all that;
//! * [`steps`]: all of this in its order, and the finished image directory.
//!
//! Results of steps are kept in a [`cache`]; programs of the distribution are run by [`tool`].

pub mod cache;
pub mod customize;
pub mod initrd;
pub mod kernel;
pub mod media;
pub mod recipe;
pub mod root;
pub mod source;
pub mod steps;
pub mod tool;
pub mod tree;
pub mod uki;
