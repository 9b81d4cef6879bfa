//! Inodes as the writer keeps them, until their places are known.

use std::sync::Arc;

use super::Metadata;
use super::chunks::Chunks;
use super::directory::Directory;
use super::pack::Extent;
use super::raw_inode::{DataLayout, FileType, RawInode};

/// An inode.
pub(super) struct Inode {
    pub kind: FileType,
    mode: u16,
    uid: u32,
    gid: u32,
    mtime: i64,
    mtime_nsec: u32,
    /// As [`Xattrs`](super::Xattrs) knows them.
    pub xattrs: Vec<usize>,
    pub nlink: u32,
    /// Bytes of data; a directory's are counted at the end.
    pub size: u64,
    pub data: Data,
}

/// What an inode leads to.
pub(super) enum Data {
    None,
    Device(u32),
    Directory(Directory),
    /// The target of a symbolic link that does not fit behind its inode.
    Target(Vec<u8>),
    File(FileData),
    /// A file that keeps its holes.
    Chunks(Chunks),
    /// The data of that inode.
    Same(usize),
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub(super) struct FileData {
    /// How many bytes fit behind the inode.
    pub room: usize,
    pub first: u32,
    pub blocks: u32,
    /// Empty when the blocks are the data as it is.
    pub extents: Vec<Extent>,
    /// The last bytes, behind the inode.
    pub tail: Arc<[u8]>,
}

impl FileData {
    pub(super) fn new(room: usize) -> Self {
        Self { room, first: 0, blocks: 0, extents: Vec::new(), tail: Arc::default() }
    }
}

impl Inode {
    pub(super) fn new(
        kind: FileType,
        metadata: &Metadata<'_>,
        xattrs: Vec<usize>,
        size: u64,
        data: Data,
    ) -> Self {
        let Metadata { mode, uid, gid, mtime, mtime_nsec, .. } = *metadata;
        Self { kind, mode, uid, gid, mtime, mtime_nsec, xattrs, nlink: 0, size, data }
    }

    /// The inode on disk, so far as it is known without its place.
    pub(super) fn raw(&self, layout: DataLayout, xattr_icount: u16, union: u32) -> RawInode {
        RawInode {
            layout,
            xattr_icount,
            mode: self.kind.mode() | self.mode & 0o7777,
            size: self.size,
            union,
            ino: 0,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            mtime_nsec: self.mtime_nsec,
            nlink: self.nlink,
        }
    }
}

/// A symbolic link's target, behind its inode if there is so much room.
pub(super) fn target(target: &[u8], room: usize) -> Data {
    if target.len() > room {
        return Data::Target(target.to_vec());
    }
    let mut file = FileData::new(room);
    file.tail = target.into();
    Data::File(file)
}
