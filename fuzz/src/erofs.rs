//! EROFS images: superblock, inodes, directories, attributes, chunks, indexes, compressed data.

use std::sync::Arc;

use bootwright_formats::ReadAt;
use bootwright_formats::erofs::reader::{Erofs, Kind};

/// Every file that the walk finds can be read or names what is wrong; no read gives more than was asked for.
pub fn target(data: &[u8]) {
    let Ok(image) = Erofs::open(Arc::new(data.to_vec())) else { return };
    let mut found = Vec::new();
    let _ = image.walk(&mut |path, inode| {
        if found.len() < 100 {
            found.push((path.to_vec(), inode.clone()));
        }
    });
    for (path, inode) in &found {
        let _ = image.xattrs(inode);
        let _ = image.find(path);
        if inode.kind == Kind::Symlink {
            let _ = image.target(inode);
        }
        let Ok(file) = image.file(inode) else { continue };
        for offset in [0, inode.size / 2, inode.size.saturating_sub(1)] {
            let mut bytes = [0; 700];
            let _ = file.read_at(offset, &mut bytes);
            if let Ok(extent) = file.extent(offset) {
                assert!(extent.range.start == offset && extent.range.end <= inode.size.max(offset));
                assert!(offset >= inode.size || extent.range.end > offset);
            }
        }
    }
}

/// A valid input by mkfs.erofs 1.8: LZ4 in clusters of 8 KiB with full indexes, fragments, equal extents,
/// a shared attribute, a link.
pub fn seed() -> Vec<u8> {
    include_bytes!("../corpus/erofs/lz4-fragments-dedupe").to_vec()
}

/// Other forms: compact indexes with data behind the inode, chunks with holes, LZMA, Zstandard.
pub fn seeds() -> [Vec<u8>; 4] {
    [
        include_bytes!("../corpus/erofs/lz4-tails").to_vec(),
        include_bytes!("../corpus/erofs/chunks").to_vec(),
        include_bytes!("../corpus/erofs/lzma").to_vec(),
        include_bytes!("../corpus/erofs/zstd").to_vec(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_read_to_their_last_byte() {
        for seed in seeds().into_iter().chain([seed()]) {
            let image = Erofs::open(Arc::new(seed)).unwrap();
            let mut files = Vec::new();
            image.walk(&mut |_, inode| files.push(inode.clone())).unwrap();
            assert_eq!(files.len(), 8);
            for inode in files {
                let mut bytes = vec![0; usize::try_from(inode.size).unwrap()];
                image.file(&inode).unwrap().read_exact_at(0, &mut bytes).unwrap();
                image.xattrs(&inode).unwrap();
            }
        }
    }

    #[test]
    fn other_forms_changed_at_random() {
        seeds().into_iter().for_each(|seed| crate::mutate(seed, target));
    }
}
