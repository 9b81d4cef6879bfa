//! Where a root comes from: Debian packages ([`debian`]), tar archives ([`archive`]), OCI images
//! ([`oci`]), directories ([`Tree::from_directory`](crate::tree::Tree::from_directory)); and the `.deb` that a kernel may come
//! from ([`deb`]).

pub mod apt;
pub mod archive;
pub mod deb;
pub mod debian;
pub mod oci;
