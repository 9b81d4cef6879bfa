//! Where an image lies on a medium that is no server: an EFI system partition, an ISO, a stick.

use crate::{RootManifest, Verity};

/// The directory of all images, from the file system's root.
pub const DIRECTORY: &str = "bootwright";

/// The path of the root manifest of the image `name`.
pub fn root_manifest(name: &str) -> String {
    format!("{DIRECTORY}/{name}/root.json")
}

/// The path of the root of the image `name`, where it is a file and no partition.
pub fn root(name: &str) -> String {
    format!("{DIRECTORY}/{name}/root.img")
}

/// The path of the signature of the root hash of the image `name`, where it is a file.
pub fn root_signature(name: &str) -> String {
    format!("{DIRECTORY}/{name}/root.verity-sig")
}

impl Verity {
    /// The GUIDs, in the order in which they are written, of the partitions with the data and with the tree: the first
    /// and the last 128 bits of the root hash (Discoverable Partitions Specification, UAPI.2).
    pub fn partition_guids(&self) -> ([u8; 16], [u8; 16]) {
        let [data @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.root_hash.0;
        let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, tree @ ..] = self.root_hash.0;
        (data, tree)
    }
}

impl RootManifest {
    /// What the GUID of a partition that holds this root, file system and tree, is made of: the first half of its
    /// digest.
    pub fn partition_seed(&self) -> [u8; 16] {
        let [seed @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.digest.0;
        seed
    }
}
