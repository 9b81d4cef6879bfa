//! The root as partitions.

use std::ops::Range;

use bootwright_formats::{Guid, ReadAt};

use super::Material;

/// A part of the root's file that is a partition of its own.
pub(super) struct RootPart {
    pub name: &'static str,
    pub kind: Guid,
    pub guid: Guid,
    /// The bytes of the file.
    pub range: Range<u64>,
}

impl Material {
    /// The root as one partition, whose GUID is made of the root's digest; with a dm-verity tree as two, which are named
    /// by the root hash as the Discoverable Partitions Specification (UAPI.2) wants it. None in mode embed.
    pub(super) fn root_parts(&self) -> Vec<RootPart> {
        let Some(size) = self.root.as_ref().map(ReadAt::size) else { return Vec::new() };
        let kinds = &self.kinds;
        let verity = self.root_manifest.verity.as_ref();
        match verity.and_then(|verity| Some((verity.partition_guids(), verity.hash_offset()?))) {
            Some(((data, tree), end)) => vec![
                RootPart {
                    name: "root",
                    kind: kinds.root,
                    guid: Guid::from_ordered(data),
                    range: 0..end.min(size),
                },
                RootPart {
                    name: "root-verity",
                    kind: kinds.root_verity,
                    guid: Guid::from_ordered(tree),
                    range: end.min(size)..size,
                },
            ],
            None => vec![RootPart {
                name: "root",
                kind: kinds.root,
                guid: Guid::seeded(self.root_manifest.partition_seed()),
                range: 0..size,
            }],
        }
    }
}
