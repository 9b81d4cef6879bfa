//! Inodes: `struct erofs_inode_compact` of 32 bytes, `struct erofs_inode_extended` of 64.

use super::Volume;
use super::error::{Error, Result, damaged};
use crate::erofs::disk::{SLOT, XATTR_HEADER};
use crate::fields::{u16_le, u32_le, u64_le};

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
}

/// `EROFS_INODE_…`: where the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    FlatPlain,
    CompressedFull,
    FlatInline,
    CompressedCompact,
    ChunkBased,
}

/// An inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    /// Its number: the place of the inode, in units of 32 bytes.
    pub nid: u64,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-uid, set-gid and sticky.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content.
    pub size: u64,
    /// Modification time, seconds since 1970, rounded down.
    pub mtime: i64,
    /// Nanoseconds past it.
    pub mtime_nsec: u32,
    /// How many names it has.
    pub nlink: u32,
    /// Where it is in the image.
    pub offset: u64,
    pub(super) layout: Layout,
    /// `i_u`: block address, compressed blocks, device or form of chunks.
    pub(super) union: u32,
    /// Where its extended attributes are.
    pub(super) xattrs: u64,
    /// How many bytes they take.
    pub(super) xattr_size: usize,
}

impl Inode {
    /// What is behind the inode and its attributes: data or indexes.
    pub(super) fn behind(&self) -> u64 {
        self.xattrs + self.xattr_size as u64
    }
}

impl Volume {
    pub(super) fn inode(&self, nid: u64) -> Result<Inode> {
        let start = u64::from(self.superblock.meta_block) << self.superblock.block_bits;
        let offset = nid.checked_mul(SLOT as u64).and_then(|offset| offset.checked_add(start));
        let offset = offset.filter(|offset| *offset < self.image.size()).ok_or_else(|| {
            damaged(format!("inode {nid} would be outside of the image: it ends"), self.image.size())
        })?;
        let bytes = self.bytes_up_to(offset, 64)?;
        self.parse(&bytes, nid, offset).ok_or_else(|| damaged("an inode is cut off", offset))?
    }

    /// `None` when the bytes are too few.
    fn parse(&self, bytes: &[u8], nid: u64, offset: u64) -> Option<Result<Inode>> {
        let format = u16_le(bytes, 0)?;
        let extended = format & 1 != 0;
        let layout = match format >> 1 & 7 {
            0 => Layout::FlatPlain,
            1 => Layout::CompressedFull,
            2 => Layout::FlatInline,
            3 => Layout::CompressedCompact,
            4 => Layout::ChunkBased,
            other => {
                let what = format!("data layout {other} of inode {nid}");
                return Some(Err(Error::Unsupported { what, offset }));
            }
        };
        if format >> 4 != 0 {
            let what = format!("format {format:#06x} of inode {nid}");
            return Some(Err(Error::Unsupported { what, offset }));
        }
        let (mode, union) = (u16_le(bytes, 4)?, u32_le(bytes, 16)?);
        let xattr_size = match usize::from(u16_le(bytes, 2)?) {
            0 => 0,
            count => XATTR_HEADER + (count - 1) * 4,
        };
        let Some(kind) = kind(mode, union) else {
            return Some(Err(damaged(
                format!("inode {nid} has the mode {mode:06o}, which is no kind of file"),
                offset + 4,
            )));
        };
        let mut inode = Inode {
            nid,
            kind,
            mode: mode & 0o7777,
            uid: u16_le(bytes, 24)?.into(),
            gid: u16_le(bytes, 26)?.into(),
            size: u32_le(bytes, 8)?.into(),
            mtime: i64::try_from(self.superblock.build_time).unwrap_or(i64::MAX),
            mtime_nsec: self.superblock.build_time_nsec,
            nlink: u16_le(bytes, 6)?.into(),
            offset,
            layout,
            union,
            xattrs: offset + if extended { 64 } else { 32 },
            xattr_size,
        };
        if extended {
            inode.size = u64_le(bytes, 8)?;
            (inode.uid, inode.gid) = (u32_le(bytes, 24)?, u32_le(bytes, 28)?);
            inode.mtime = u64_le(bytes, 32)?.cast_signed();
            inode.mtime_nsec = u32_le(bytes, 40)?;
            inode.nlink = u32_le(bytes, 44)?;
        }
        // As the kernel: i_size is signed.
        if i64::try_from(inode.size).is_err() {
            return Some(Err(damaged(format!("inode {nid} has {} bytes", inode.size), offset + 8)));
        }
        Some(Ok(inode))
    }
}

/// By `S_IFMT` of the mode; a device's number as the kernel's `new_decode_dev` reads it.
fn kind(mode: u16, union: u32) -> Option<Kind> {
    let (major, minor) = (union >> 8 & 0xfff, union & 0xff | union >> 12 & 0xfff00);
    Some(match mode >> 12 {
        0o01 => Kind::Fifo,
        0o02 => Kind::CharDevice(major, minor),
        0o04 => Kind::Directory,
        0o06 => Kind::BlockDevice(major, minor),
        0o10 => Kind::File,
        0o12 => Kind::Symlink,
        0o14 => Kind::Socket,
        _ => return None,
    })
}
