//! The structures on disk, as `fs/erofs/erofs_fs.h` of Linux names them. All numbers are little endian.

/// The superblock's place in block 0.
pub(super) const SUPER_OFFSET: u64 = 1024;
/// `EROFS_SUPER_MAGIC_V1`.
pub(super) const MAGIC: u32 = 0xe0f5_e1e2;
/// Inodes start on multiples of this; a nid counts them.
pub(super) const SLOT: usize = 32;

/// `EROFS_FEATURE_INCOMPAT_ZERO_PADDING`: zeros before, not after, compressed data.
pub(super) const INCOMPAT_ZERO_PADDING: u32 = 1;
/// `EROFS_FEATURE_INCOMPAT_FRAGMENTS`: parts of files lie in the packed inode.
pub(super) const INCOMPAT_FRAGMENTS: u32 = 0x20;
/// `EROFS_FEATURE_INCOMPAT_XATTR_PREFIXES`.
pub(super) const INCOMPAT_XATTR_PREFIXES: u32 = 0x40;
/// `EROFS_FEATURE_INCOMPAT_48BIT`, Linux 6.15.
pub(super) const INCOMPAT_48BIT: u32 = 0x80;
/// `EROFS_FEATURE_INCOMPAT_METABOX`, Linux 6.17.
pub(super) const INCOMPAT_METABOX: u32 = 0x100;
/// Those that are read: all before `…_48BIT`.
pub(super) const INCOMPAT_KNOWN: u32 = 0x7f;

/// `z_erofs_map_header.h_advise`.
pub(super) const ADVISE_COMPACTED_2B: u16 = 1;
/// `Z_EROFS_ADVISE_BIG_PCLUSTER_1` and `_2`: compact indexes want both or none.
pub(super) const ADVISE_BIG_PCLUSTERS: [u16; 2] = [2, 4];
pub(super) const ADVISE_INLINE_PCLUSTER: u16 = 8;
/// `Z_EROFS_ADVISE_INTERLACED_PCLUSTER`: plain data lies in its block as it would in the file's.
pub(super) const ADVISE_INTERLACED: u16 = 0x10;
pub(super) const ADVISE_FRAGMENT: u16 = 0x20;
/// `sizeof(struct z_erofs_map_header)`.
pub(super) const MAP_HEADER: usize = 8;

/// `Z_EROFS_LI_D0_CBLKCNT`: the number is one of blocks, not a distance.
pub(super) const CBLKCNT: u16 = 1 << 11;

/// `sizeof(struct erofs_xattr_ibody_header)`.
pub(super) const XATTR_HEADER: usize = 12;
/// `sizeof(struct erofs_dirent)`.
pub(super) const DIRENT: usize = 12;
