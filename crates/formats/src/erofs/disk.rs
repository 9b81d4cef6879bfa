//! The structures on disk, as `fs/erofs/erofs_fs.h` of Linux names them. All numbers are little endian.

/// Everything is counted in blocks of this size.
pub(super) const BLOCK: usize = 4096;
/// The superblock's place in block 0.
pub(super) const SUPER_OFFSET: usize = 1024;
/// `EROFS_SUPER_MAGIC_V1`.
pub(super) const MAGIC: u32 = 0xe0f5_e1e2;
/// Inodes start on multiples of this; a nid counts them.
pub(super) const SLOT: usize = 32;

/// `EROFS_FEATURE_COMPAT_SB_CHKSUM`.
pub(super) const COMPAT_CHECKSUM: u32 = 1;
/// `EROFS_FEATURE_INCOMPAT_ZERO_PADDING`: zeros before, not after, compressed data.
pub(super) const INCOMPAT_ZERO_PADDING: u32 = 1;
/// `EROFS_FEATURE_INCOMPAT_COMPR_CFGS`, the same bit as `…_BIG_PCLUSTER`.
pub(super) const INCOMPAT_COMPR_CFGS: u32 = 2;
/// `EROFS_FEATURE_INCOMPAT_ZTAILPACKING`: a file's last compressed bytes lie behind its inode.
pub(super) const INCOMPAT_ZTAILPACKING: u32 = 0x10;

/// `i_format` of the data, `EROFS_INODE_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataLayout {
    FlatPlain = 0,
    FlatInline = 2,
    CompressedCompact = 3,
}

/// `z_erofs_map_header.h_advise`.
pub(super) const ADVISE_COMPACTED_2B: u16 = 1;
/// `Z_EROFS_ADVISE_BIG_PCLUSTER_1` and `_2`: compact indexes want both or none.
pub(super) const ADVISE_BIG_PCLUSTERS: u16 = 2 | 4;
pub(super) const ADVISE_INLINE_PCLUSTER: u16 = 8;
/// `sizeof(struct z_erofs_map_header)`.
pub(super) const MAP_HEADER: usize = 8;

/// The type of a logical cluster, `Z_EROFS_LCLUSTER_TYPE_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lcluster {
    Plain = 0,
    Head1 = 1,
    NonHead = 2,
}

/// `Z_EROFS_LI_D0_CBLKCNT`: the number is one of blocks, not a distance.
pub(super) const CBLKCNT: u16 = 1 << 11;

/// `sizeof(struct erofs_xattr_ibody_header)`.
pub(super) const XATTR_HEADER: usize = 12;
/// `sizeof(struct erofs_dirent)`.
pub(super) const DIRENT: usize = 12;

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
