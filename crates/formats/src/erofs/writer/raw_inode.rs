//! The inode as bytes: `struct erofs_inode_compact` and `struct erofs_inode_extended`.

/// `i_format` of the data, `EROFS_INODE_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataLayout {
    FlatPlain = 0,
    FlatInline = 2,
    CompressedCompact = 3,
    ChunkBased = 4,
}

/// File types of directory entries, `EROFS_FT_…`, and the same in `i_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    Regular = 1,
    Directory = 2,
    CharDevice = 3,
    BlockDevice = 4,
    Fifo = 5,
    Socket = 6,
    Symlink = 7,
}

impl FileType {
    /// `S_IFMT` of `i_mode`.
    pub(super) fn mode(self) -> u16 {
        match self {
            Self::Regular => 0o100_000,
            Self::Directory => 0o040_000,
            Self::CharDevice => 0o020_000,
            Self::BlockDevice => 0o060_000,
            Self::Fifo => 0o010_000,
            Self::Socket => 0o140_000,
            Self::Symlink => 0o120_000,
        }
    }
}

/// What an inode on disk says, apart from where its extended attributes and data are.
#[derive(Debug, Clone)]
pub(super) struct RawInode {
    pub layout: DataLayout,
    pub xattr_icount: u16,
    pub mode: u16,
    pub size: u64,
    /// `i_u`: block address, compressed blocks or device number.
    pub union: u32,
    pub ino: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
    pub mtime_nsec: u32,
    pub nlink: u32,
}

impl RawInode {
    /// Whether 32 bytes hold it: the modification time is then the superblock's.
    pub(super) fn is_compact(&self, build_time: u64) -> bool {
        let small = |number: u32| u16::try_from(number).is_ok();
        u64::try_from(self.mtime) == Ok(build_time)
            && self.mtime_nsec == 0
            && u32::try_from(self.size).is_ok()
            && small(self.uid)
            && small(self.gid)
            && small(self.nlink)
    }

    /// `struct erofs_inode_compact` or `struct erofs_inode_extended`.
    pub(super) fn encode(&self, build_time: u64, out: &mut Vec<u8>) {
        let compact = self.is_compact(build_time);
        let format = u16::from(!compact) | (self.layout as u16) << 1;
        for number in [format, self.xattr_icount, self.mode] {
            out.extend(number.to_le_bytes());
        }
        let low = |number: u64| (number & u64::from(u32::MAX)) as u32;
        let word = |number: u32| (number & 0xffff) as u16;
        if compact {
            out.extend(word(self.nlink).to_le_bytes());
            out.extend(low(self.size).to_le_bytes());
            out.extend([0; 4]);
            out.extend(self.union.to_le_bytes());
            out.extend(self.ino.to_le_bytes());
            out.extend(word(self.uid).to_le_bytes());
            out.extend(word(self.gid).to_le_bytes());
            out.extend([0; 4]);
        } else {
            out.extend([0; 2]);
            out.extend(self.size.to_le_bytes());
            for number in [self.union, self.ino, self.uid, self.gid] {
                out.extend(number.to_le_bytes());
            }
            out.extend(self.mtime.to_le_bytes());
            out.extend(self.mtime_nsec.to_le_bytes());
            out.extend(self.nlink.to_le_bytes());
            out.extend([0; 16]);
        }
    }
}

/// The kernel's `new_encode_dev`.
pub(super) fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12
}
