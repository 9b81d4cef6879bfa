//! What the writer is given, and what it gives back.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::num::NonZeroUsize;

use super::BLOCK;
use super::chunks::MAX_SIZE;
use super::pack::Algorithm;
use crate::ReadAt;

/// Why an image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The output cannot be written, or a thread failed.
    #[error("writing the EROFS image failed")]
    Write(#[source] io::Error),
    /// The content of a file cannot be read.
    #[error("reading the content of {path} failed")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An entry came before the directory that holds it, or below something that is none.
    #[error("{0}: there is no directory yet that could hold it")]
    NoParent(String),
    /// The path was there already.
    #[error("{0} is there twice")]
    Twice(String),
    /// A name or target that the format or Linux cannot hold.
    #[error("{0}: the name or target is empty or too long")]
    Name(String),
    /// A directory can have one name only.
    #[error("{0}: a directory cannot have a second name")]
    LinkedDirectory(String),
    /// An extended attribute that the format cannot hold.
    #[error(
        "{path}: the extended attribute {name} of {bytes} bytes cannot be kept: EROFS has user., trusted., \
         security. and POSIX ACLs, names up to 255 and values up to 65535 bytes"
    )]
    Xattr {
        /// The file.
        path: String,
        /// Name of the attribute.
        name: String,
        /// Bytes of its value.
        bytes: usize,
    },
    /// A file with holes that is larger than its table could say.
    #[error("{path}: {size} bytes with holes, more than the {MAX_SIZE} that are kept")]
    Sparse {
        /// The file.
        path: String,
        /// Its length.
        size: u64,
    },
    /// More than 2^32 blocks.
    #[error("the image would have more than 16 TiB")]
    TooLarge,
    /// Nothing was added.
    #[error("an image needs a root directory")]
    NoRoot,
}

/// How data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// By which algorithm.
    pub algorithm: Algorithm,
    /// How hard, as the compressor counts: LZ4HC 1 to 12, deflate 1 to 9, Zstandard 1 to 22.
    pub level: i32,
}

/// What an image is like.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Names the file system.
    pub uuid: [u8; 16],
    /// When it was made, seconds since 1970: the one modification time that small inodes can have.
    pub build_time: u64,
    /// `None`: data is kept as it is.
    pub compression: Option<Compression>,
    /// How many threads compress.
    pub threads: NonZeroUsize,
}

/// Owner, mode, time, extended attributes.
#[derive(Debug, Clone, Copy)]
pub struct Metadata<'a> {
    /// Permission bits with set-uid, set-gid and sticky.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since 1970, rounded down.
    pub mtime: i64,
    /// Nanoseconds past it.
    pub mtime_nsec: u32,
    /// Values by full names, as getxattr(2) gives them.
    pub xattrs: &'a BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What an entry is.
pub enum Kind<'a> {
    /// A directory.
    Directory,
    /// A regular file of so many bytes.
    File(u64, &'a mut dyn Read),
    /// A regular file that knows its holes.
    Sparse(&'a dyn ReadAt),
    /// A symbolic link and its target.
    Symlink(&'a [u8]),
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
}

/// An inode that was added, to be given further names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InodeId(pub(super) usize);

/// What is left to do, and what the image became.
#[derive(Debug, Clone)]
pub struct Written {
    /// Belongs to the very beginning of the image.
    pub first_block: [u8; BLOCK],
    /// Blocks of the image.
    pub blocks: u32,
    /// Inodes.
    pub inodes: u64,
}
