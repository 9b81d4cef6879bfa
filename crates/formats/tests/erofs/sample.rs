//! A tree with one of everything, and files at every size where something changes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use bootwright_formats::erofs::{Compression, Kind, Metadata, Options, Writer, Written};

pub const BUILD_TIME: u64 = 1_700_000_000;

/// What an entry is, with its bytes.
#[derive(Debug, Clone)]
pub enum What {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
    Fifo,
    Socket,
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    /// The inode of that path.
    Link(&'static str),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub path: String,
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub mtime: (i64, u32),
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub what: What,
}

impl Entry {
    pub fn new(path: &str, mode: u16, what: What) -> Self {
        let mtime = (BUILD_TIME as i64, 0);
        Self { path: path.to_owned(), mode, uid: 0, gid: 0, mtime, xattrs: BTreeMap::new(), what }
    }

    fn owned(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    fn at(mut self, seconds: i64, nanoseconds: u32) -> Self {
        self.mtime = (seconds, nanoseconds);
        self
    }

    fn xattr(mut self, name: &str, value: &[u8]) -> Self {
        self.xattrs.insert(name.as_bytes().to_vec(), value.to_vec());
        self
    }
}

/// `user::rw-,user:1000:r--,group::r--,mask::r--,other::r--` as the kernel keeps it.
pub const ACL: &[u8] = &[
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16,
    0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255,
];

/// Bytes that a compressor makes smaller the less `noise` (of 256) there is in them.
pub fn bytes(length: usize, noise: u8, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut out = Vec::with_capacity(length + 32);
    while out.len() < length {
        let word = next();
        if (word & 0xff) as u8 >= noise {
            out.extend(format!("the same words come again {}\n", word >> 8 & 0xf).as_bytes());
        } else {
            (0..4).for_each(|_| out.extend(next().to_le_bytes()));
        }
    }
    out.truncate(length);
    out
}

/// The tree. Directories come before what is in them.
pub fn tree() -> Vec<Entry> {
    let file = |path: &str, bytes: Vec<u8>| Entry::new(path, 0o644, What::File(bytes));
    let mut tree = vec![
        Entry::new("", 0o711, What::Directory).owned(7, 8).at(1_600_000_000, 5),
        Entry::new("d", 0o1777, What::Directory),
        file("d/suid", b"suid".to_vec()).owned(100_000, 100_001).at(-1, 0),
        Entry::new("d/null", 0o666, What::CharDevice(1, 3)),
        Entry::new("d/disk", 0o660, What::BlockDevice(259, 300_017)).owned(0, 6),
        Entry::new("d/pipe", 0o620, What::Fifo).at(1, 999_999_999),
        Entry::new("d/socket", 0o755, What::Socket),
        Entry::new("link", 0o777, What::Symlink(b"d/suid".to_vec())),
        Entry::new("long", 0o777, What::Symlink(vec![b'x'; 4050])),
        Entry::new("hard", 0o644, What::Link("d/suid")),
        file("acl", b"acl".to_vec()).xattr("system.posix_acl_access", ACL),
        file("noted", bytes(9000, 40, 1)).xattr("user.note", b"a\nb").xattr("user.same", b"everywhere"),
        file("noted-too", b"x".to_vec()).xattr("user.same", b"everywhere").xattr("user.large", &[7; 3000]),
        Entry::new("names", 0o755, What::Directory),
        Entry::new("sizes", 0o755, What::Directory),
        file("zeros", vec![0; 3 << 20]),
        file("twice-a", bytes(70_000, 60, 9)),
        file("twice-b", bytes(70_000, 60, 9)).owned(1, 1),
        file("segments", bytes(5_000_001, 100, 2)),
        file("noise", bytes(2 << 20, 255, 3)),
    ];
    // '!' and '-' come before '.', so that the directory's own entries are not the first ones.
    for name in
        ["!", "-", "...", "~"].into_iter().map(str::to_owned).chain((0..700).map(|n| format!("name-{n}")))
    {
        tree.push(file(&format!("names/{name}"), name.into_bytes()));
    }
    tree.extend(sizes().map(|(path, bytes)| file(&path, bytes)));
    tree
}

fn sizes() -> impl Iterator<Item = (String, Vec<u8>)> {
    const SIZES: [usize; 18] = [
        0, 1, 20, 100, 4000, 4031, 4032, 4033, 4064, 4065, 4095, 4096, 4097, 8192, 12_289, 65_536, 66_000,
        300_123,
    ];
    let grid = |noise| SIZES.into_iter().map(move |size| (size, noise));
    [0, 30, 90, 160, 220, 255]
        .into_iter()
        .flat_map(grid)
        .enumerate()
        .map(|(seed, (size, noise))| (format!("sizes/{size}-{noise}"), bytes(size, noise, seed as u64 + 100)))
}

/// Bytes of all files.
pub fn size(tree: &[Entry]) -> usize {
    let bytes = |entry: &Entry| if let What::File(bytes) = &entry.what { bytes.len() } else { 0 };
    tree.iter().map(bytes).sum()
}

/// Writes a tree as an image.
pub fn image(tree: &[Entry], compression: Option<Compression>, threads: usize) -> (Vec<u8>, Written) {
    let threads = NonZeroUsize::new(threads).unwrap();
    let options = Options { uuid: *b"sample of a tree", build_time: BUILD_TIME, compression, threads };
    let mut writer = Writer::new(Vec::new(), options).unwrap();
    let mut ids = BTreeMap::new();
    for entry in tree {
        let metadata = Metadata {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime.0,
            mtime_nsec: entry.mtime.1,
            xattrs: &entry.xattrs,
        };
        let mut content;
        let kind = match &entry.what {
            What::Directory => Kind::Directory,
            What::File(bytes) => {
                content = bytes.as_slice();
                Kind::File(bytes.len() as u64, &mut content)
            }
            What::Symlink(target) => Kind::Symlink(target),
            What::Fifo => Kind::Fifo,
            What::Socket => Kind::Socket,
            What::CharDevice(major, minor) => Kind::CharDevice(*major, *minor),
            What::BlockDevice(major, minor) => Kind::BlockDevice(*major, *minor),
            What::Link(to) => {
                writer.link(entry.path.as_bytes(), ids[*to]).unwrap();
                continue;
            }
        };
        ids.insert(entry.path.as_str(), writer.add(entry.path.as_bytes(), &metadata, kind).unwrap());
    }
    let (mut image, written) = writer.finish().unwrap();
    image[..written.first_block.len()].copy_from_slice(&written.first_block);
    assert_eq!(image.len(), written.blocks as usize * 4096);
    (image, written)
}
