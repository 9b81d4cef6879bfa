//! squashfs: pieces of metadata, inodes, directories, block lists, fragments.

use std::sync::Arc;

use bootwright_formats::ReadAt as _;
use bootwright_formats::squashfs::{Inode, Kind, Squashfs};

/// The most names of a directory that are followed.
const MAX_NAMES: usize = 20;

/// Every name can be followed; runs follow each other; reading ends.
pub fn target(data: &[u8]) {
    let Ok(squashfs) = Squashfs::open(Arc::new(data.to_vec())) else { return };
    let Ok(root) = squashfs.root() else { return };
    let names = squashfs.entries(&root).unwrap_or_default();
    for entry in names.iter().take(MAX_NAMES) {
        let Ok(inode) = squashfs.inode(entry.inode) else { continue };
        match inode.kind {
            Kind::Directory => drop(squashfs.entries(&inode)),
            Kind::Symlink => drop(squashfs.target(&inode)),
            _ => read(&squashfs, &inode),
        }
    }
}

fn read(squashfs: &Squashfs, inode: &Inode) {
    let Ok(file) = squashfs.file(inode) else { return };
    let mut buffer = [0; 3000];
    for at in [0, 4095, 4096, 8192, file.size().saturating_sub(1), u64::MAX - 1] {
        let _ = file.read_at(at, &mut buffer);
        if let Ok(extent) = file.extent(at)
            && at < file.size()
        {
            assert!(extent.range.start == at && extent.range.end > at && extent.range.end <= file.size());
        }
    }
}

/// A valid input that is not compressed, with blocks of 4096 bytes: a file of a block, a hole and a fragment, and a link.
pub fn seed() -> Vec<u8> {
    let half = |number: u16| number.to_le_bytes().to_vec();
    let word = |number: u32| number.to_le_bytes().to_vec();
    let long = |number: u64| number.to_le_bytes().to_vec();
    let piece = |bytes: Vec<u8>| [half(0x8000 | bytes.len() as u16), bytes].concat();
    // The block, then the fragment.
    let data = [vec![b'b'; 4096], vec![b'f'; 100]].concat();
    let head = |kind: u16, number: u32| [half(kind), half(0o755), vec![0; 8], word(number)].concat();
    let link = [head(3, 1), word(1), word(4), b"file".to_vec()].concat();
    let blocks = [word(1 << 24 | 4096), word(0)].concat();
    let file = [head(2, 2), word(96), word(0), word(0), word(2 * 4096 + 100), blocks].concat();
    let entry = |at: u16, kind: u16, name: &str| {
        [half(at), half(0), half(kind), half(name.len() as u16 - 1), name.as_bytes().to_vec()].concat()
    };
    let names = [entry(link.len() as u16, 2, "file"), entry(0, 3, "link")].concat();
    let directory = [word(1), word(0), word(1), names].concat();
    let root_at = (link.len() + file.len()) as u64;
    let size = directory.len() as u16 + 3;
    let root = [head(1, 3), word(0), word(2), half(size), half(0), word(4)].concat();
    let inodes = piece([link, file, root].concat());
    let directories = piece(directory);
    let fragment = piece([long(96 + 4096), word(1 << 24 | 100), word(0)].concat());
    let inode_table = 96 + data.len() as u64;
    let directory_table = inode_table + inodes.len() as u64;
    let fragments = directory_table + directories.len() as u64;
    let fragment_table = fragments + fragment.len() as u64;
    let superblock = [
        b"hsqs".to_vec(),
        word(3),
        word(0),
        word(4096),
        word(1),
        half(1),
        half(12),
        half(0),
        half(0),
        half(4),
        half(0),
        long(root_at),
        long(fragment_table + 8),
        long(0),
        long(u64::MAX),
        long(inode_table),
        long(directory_table),
        long(fragment_table),
        long(u64::MAX),
    ];
    [superblock.concat(), data, inodes, directories, fragment, long(fragments)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_read_whole() {
        let squashfs = Squashfs::open(Arc::new(seed())).unwrap();
        let root = squashfs.root().unwrap();
        let inode = |name: &str| squashfs.lookup(&root, name.as_bytes()).unwrap().unwrap();
        assert_eq!(squashfs.target(&inode("link")).unwrap(), b"file");
        let file = squashfs.file(&inode("file")).unwrap();
        let mut bytes = vec![1; 2 * 4096 + 100];
        file.read_exact_at(0, &mut bytes).unwrap();
        let expected = [vec![b'b'; 4096], vec![0; 4096], vec![b'f'; 100]].concat();
        assert!(bytes == expected);
    }
}
