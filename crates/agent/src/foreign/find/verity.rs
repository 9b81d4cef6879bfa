//! The dm-verity tree beside a root.

use std::ops::Range;

use bootwright_formats::gpt::{Gpt, Guid, Partition};
use bootwright_formats::verity::Superblock;
use bootwright_formats::{ReadAt as _, Shared};
use bootwright_image::Digest;

use super::{FindError, Found, Purpose, list, place, read};

/// A dm-verity tree beside a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTree {
    /// Its bytes, from its superblock on.
    pub range: Range<u64>,
    /// What the superblock says.
    pub superblock: Superblock,
    /// What the kernel is told to trust.
    pub root_hash: Digest,
}

/// Which of the two partitions that a root hash names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Data,
    Tree,
}

pub(super) fn of_hash(gpt: &Gpt, hash: Digest, half: Half) -> Option<&Partition> {
    let (data, tree) = hash.0.split_at(16);
    let bytes = if half == Half::Data { data } else { tree };
    let guid = Guid::from_ordered(bytes.try_into().ok()?);
    gpt.partitions.iter().find(|partition| partition.guid == guid)
}

/// The tree of `data`: the partition that the root hash names.
pub(super) fn tree(
    file: &Shared,
    gpt: &Gpt,
    (purpose, root_hash): (Purpose, Digest),
    data: &Found,
) -> Result<Box<HashTree>, FindError> {
    let failed = |problem: String| FindError::Verity { key: purpose.key(), hash: root_hash.hex(), problem };
    let partition = of_hash(gpt, root_hash, Half::Tree).ok_or_else(|| {
        failed(format!("no partition is named by its second half: there are {}", list(&gpt.partitions)))
    })?;
    let range = partition.range.clone();
    if range.is_empty() || range.end > file.size() {
        return Err(FindError::Outside { place: place(partition), range, size: file.size() });
    }
    let head = read(file, range.start)?;
    let superblock =
        Superblock::parse(&head).map_err(|error| failed(format!("{}: {error}", place(partition))))?;
    if superblock.algorithm != "sha256" {
        return Err(failed(format!("the tree is of {}, not of sha256", superblock.algorithm)));
    }
    let bytes = superblock.data_blocks.saturating_mul(superblock.data_block_size.into());
    if bytes == 0 || bytes > data.range.end - data.range.start {
        return Err(failed(format!(
            "the tree is of {bytes} bytes, and {} has {}",
            data.place,
            data.range.end - data.range.start
        )));
    }
    Ok(Box::new(HashTree { range, superblock, root_hash }))
}
