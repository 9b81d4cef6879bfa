//! Blocks that the cache has already, by their digests: what a new root is made of as far as that goes.

use std::sync::Arc;

use bootwright_formats::cache::{Generation, Header};
use bootwright_formats::verity::{self, BLOCK_SIZE, BlockDigest, SALT, Tree, block_digest};
use bootwright_image::{Digest, RootManifest};

use super::cache::Cache;
use super::device::Device;

/// Blocks with the same start of their digest that are looked at: there is more than one by malice alone.
const MAX_TWINS: usize = 4;

/// A block in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The first 8 bytes of its digest.
    start: u64,
    /// Where it is on the device.
    offset: u64,
}

/// All blocks of the roots in a cache. 16 bytes of memory for each.
pub struct Base {
    device: Arc<Device>,
    places: Vec<Place>,
}

impl Base {
    /// The blocks of all roots in the cache that are whole, but the one that `digest` names; `None` when there are
    /// none. A root whose tree is damaged is left out.
    pub fn of(cache: &Cache, digest: &Digest) -> Option<Self> {
        let device = cache.device();
        let mut places = Vec::new();
        for generation in others(cache.header(), digest) {
            let Some(manifest) = cache.manifest(generation) else { continue };
            let Some((_, leaves)) = leaves_of(device, generation.offset, &manifest) else { continue };
            let offsets = (generation.offset..).step_by(BLOCK_SIZE);
            places.extend(
                leaves.iter().zip(offsets).map(|(leaf, offset)| Place { start: start(leaf), offset }),
            );
        }
        places.sort_unstable();
        (!places.is_empty()).then(|| Self { device: Arc::clone(device), places })
    }

    /// Copies the block with the digest `leaf` into `block`, when the cache has it and it is still right.
    pub fn copy(&self, leaf: &BlockDigest, block: &mut [u8]) -> bool {
        let start = start(leaf);
        let first = self.places.partition_point(|place| place.start < start);
        let twins = self.places.get(first..).unwrap_or_default().iter();
        let mut twins = twins.take_while(|place| place.start == start).take(MAX_TWINS);
        twins.any(|place| self.device.read(place.offset, block).is_ok() && block_digest(block) == *leaf)
    }
}

fn others<'a>(header: &'a Header, digest: &Digest) -> impl Iterator<Item = &'a Generation> {
    header.generations.iter().filter(|one| one.state.complete && one.digest != digest.0)
}

fn start(leaf: &BlockDigest) -> u64 {
    let [start @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *leaf;
    u64::from_be_bytes(start)
}

/// The tree behind a root that begins at `offset`, and its leaves, when it is the one that the manifest vouches for.
pub fn leaves_of(
    device: &Device,
    offset: u64,
    manifest: &RootManifest,
) -> Option<(Vec<u8>, Vec<BlockDigest>)> {
    let (at, length) = tree_place(manifest)?;
    let mut tree = vec![0; length];
    device.read(offset.checked_add(at)?, &mut tree).ok()?;
    let leaves = leaves(&tree, manifest)?;
    Some((tree, leaves))
}

/// Where the tree of a root is in it, and its bytes. `None` when it is none of ours.
pub fn tree_place(manifest: &RootManifest) -> Option<(u64, usize)> {
    let verity = manifest.verity.as_ref()?;
    let at = verity.hash_offset()?;
    let length = manifest.size.checked_sub(at)?;
    let ours = verity.salt.eq_ignore_ascii_case(&hex(&SALT)) && length == verity::tree_size(at);
    let length = usize::try_from(length).ok().filter(|_| ours)?;
    Some((at, length))
}

/// The digests of the data blocks of a root, out of its `tree`, when that is the one that the manifest vouches for.
pub fn leaves(tree: &[u8], manifest: &RootManifest) -> Option<Vec<BlockDigest>> {
    let verity = manifest.verity.as_ref()?;
    let made = Tree::new(verity::leaves(tree, verity.data_blocks)?);
    (made.root_hash() == verity.root_hash.0).then(|| made.leaves().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
