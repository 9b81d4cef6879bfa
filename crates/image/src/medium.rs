//! Where an image lies on a medium that is no server: an EFI system partition, an ISO, a stick.

use crate::RootManifest;

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

impl RootManifest {
    /// What the GUID of a partition that holds this root is made of: the first half of its digest.
    pub fn partition_seed(&self) -> [u8; 16] {
        let [seed @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.digest.0;
        seed
    }
}
