//! From a recipe to an image: root file system, initrd, UKI and their manifests.
//!
//! * [`initrd`]: the closure of modules and firmware for a kind of machine, around the agent.

pub mod initrd;
