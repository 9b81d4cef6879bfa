//! ext2, ext3, ext4: descriptors, inodes, maps, directories.

use std::sync::Arc;

use bootwright_formats::ReadAt as _;
use bootwright_formats::ext4::{Ext4, Inode, Kind};

/// The most names of a directory that are followed.
const MAX_NAMES: usize = 20;

/// Every name can be followed; runs follow each other; reading ends.
pub fn target(data: &[u8]) {
    let Ok(ext4) = Ext4::open(Arc::new(data.to_vec())) else { return };
    let Ok(root) = ext4.root() else { return };
    let names = ext4.entries(&root).unwrap_or_default();
    for entry in names.iter().take(MAX_NAMES) {
        let Ok(inode) = ext4.inode(entry.inode) else { continue };
        match inode.kind {
            Kind::Directory => drop(ext4.entries(&inode)),
            Kind::Symlink => drop(ext4.target(&inode)),
            _ => read(&ext4, &inode),
        }
    }
}

fn read(ext4: &Ext4, inode: &Inode) {
    let Ok(file) = ext4.file(inode) else { return };
    let mut buffer = [0; 3000];
    for at in [0, 11 << 10, 12 << 10, 268 << 10, 65 << 20, file.size().saturating_sub(1), u64::MAX - 1] {
        let _ = file.read_at(at, &mut buffer);
        if let Ok(extent) = file.extent(at)
            && at < file.size()
        {
            assert!(extent.range.start == at && extent.range.end > at && extent.range.end <= file.size());
        }
    }
}

const BLOCK: usize = 1024;

/// A valid input with blocks of 1024 bytes: a file by extents, one by lists of blocks, a link.
pub fn seed() -> Vec<u8> {
    let mut disk = vec![0; 16 * BLOCK];
    let mut put =
        |at: usize, bytes: &[u8]| disk.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    let mut word = |at: usize, value: u32| put(at, &value.to_le_bytes());
    // Superblock: 16 inodes, 16 blocks, the first data block, groups of 8192 blocks, revision 1, inodes of 128 bytes.
    for (at, value) in
        [(0, 16), (4, 16), (0x14, 1), (0x20, 8192), (0x28, 16), (0x4c, 1), (0x58, 128), (0x60, 0x42)]
    {
        word(BLOCK + at, value);
    }
    word(BLOCK + 0x38, 0xef53);
    // The descriptor: the inode table is at block 3.
    word(2 * BLOCK + 8, 3);
    // Inodes 2 (the top), 11 (extents), 12 (lists), 13 (link): mode, size, flags, map.
    let inodes: [(usize, u32, u32, u32, &[u32]); 4] = [
        (2, 0x41ed, 1024, 0, &[5]),
        (11, 0x81a4, 5000, 0x8_0000, &[0x0001_f30a, 0x0001_0004, 0, 0, 6, 0]),
        (12, 0x81a4, 20_000, 0, &[9, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8]),
        (13, 0xa1ff, 6, 0, &[0x676e_6f6c, 0x7265]),
    ];
    for (number, mode, size, flags, map) in inodes {
        let at = 3 * BLOCK + (number - 1) * 128;
        for (field, value) in [(0, mode), (4, size), (32, flags)] {
            word(at + field, value);
        }
        map.iter().enumerate().for_each(|(index, value)| word(at + 40 + index * 4, *value));
    }
    // Block 6 is a leaf of extents: two blocks at 11, then a hole, then one at 13; block 8 is a list.
    for (index, value) in [0x0002_f30a, 0x0000_0054, 0, 0, 2, 11, 3, 1, 13].into_iter().enumerate() {
        word(6 * BLOCK + index * 4, value);
    }
    word(8 * BLOCK, 14);
    let names: [(u32, &[u8]); 5] = [(2, b"."), (2, b".."), (11, b"extents"), (12, b"lists"), (13, b"link")];
    let mut at = 5 * BLOCK;
    for (index, (inode, name)) in names.into_iter().enumerate() {
        let last = index == 4;
        let length = if last { 6 * BLOCK - at } else { 16 };
        put(at, &inode.to_le_bytes());
        put(at + 4, &(length as u16).to_le_bytes());
        put(at + 6, &[name.len() as u8, 0]);
        put(at + 8, name);
        at += length;
    }
    for block in 9..15 {
        put(block * BLOCK, &[block as u8; BLOCK]);
    }
    disk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_has_its_files() {
        let ext4 = Ext4::open(Arc::new(seed())).unwrap();
        let root = ext4.root().unwrap();
        let inode = |name: &str| ext4.lookup(&root, name.as_bytes()).unwrap().unwrap();
        let block = |name: &str, number: u64| {
            let mut byte = [0];
            ext4.file(&inode(name)).unwrap().read_exact_at(number * 1024, &mut byte).unwrap();
            byte[0]
        };
        assert_eq!([0, 1, 2, 3].map(|number| block("extents", number)), [11, 12, 0, 13]);
        assert_eq!([0, 1, 2, 12, 13].map(|number| block("lists", number)), [9, 10, 0, 14, 0]);
        assert_eq!(ext4.target(&inode("link")).unwrap(), b"longer");
    }
}
