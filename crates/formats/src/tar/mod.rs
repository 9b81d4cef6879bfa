//! Tar archives: the `ustar` and `pax` interchange formats (POSIX.1-2017, pax utility) with GNU's long
//! names and base-256 numbers.
//!
//! ```text
//! member:  header block of 512 bytes ‖ data, padded with zeros to 512
//! archive: members ‖ two blocks of zeros
//!
//!   0 name[100]   100 mode[8]   108 uid[8]     116 gid[8]     124 size[12]   136 mtime[12]
//! 148 chksum[8]   156 typeflag  157 linkname[100]             257 magic[6]   263 version[2]
//! 265 uname[32]   297 gname[32] 329 devmajor[8] 337 devminor[8]              345 prefix[155]
//! ```
//!
//! Numbers are octal text, or, with the first byte's top bit set, big-endian binary (GNU). Members of
//! type `x` and `g` hold records `LENGTH KEY=VALUE\n` for the next member, or for all that follow. Of
//! the vendor keys `SCHILY.xattr.NAME` is read and written (the value is raw bytes, newlines and all),
//! and `SCHILY.acl.access`, `SCHILY.acl.default` are read.
//!
//! The [`Reader`] takes any stream, from which the [data](Reader::data) of each member can be read; in a file it can
//! [pass over](Reader::pass_over) them. The [`Writer`] writes what it reads.
//!
//! User and group *names* are not read: an archive of a root file system is numeric, since the names
//! mean nothing on the building host.
//!
//! Sparse members are read in all of GNU's forms (see `sparse`), and written as if they had no holes.
//!
//! Not supported, and refused by name: multi-volume and incremental archives.

mod acl;
mod header;
mod pax;
mod read;
mod sparse;
mod write;

use std::collections::BTreeMap;
use std::ops::Range;

pub use read::{Data, Reader};
pub use write::{Writer, Written};

/// Bytes in a header and the unit that data is padded to.
pub const BLOCK: u64 = 512;

/// Owner, mode, time, extended attributes of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with set-uid, set-gid and sticky; no file type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since 1970, rounded down.
    pub mtime: i64,
    /// Nanoseconds past `mtime`.
    pub mtime_nsec: u32,
    /// Extended attributes by full name (`security.capability`), values as the kernel keeps them.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Metadata {
    /// Owned by root, mode 0.
    pub fn root(mtime: u64) -> Self {
        Self { mtime: i64::try_from(mtime).unwrap_or(i64::MAX), ..Self::default() }
    }
}

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name as it stands in the archive: nothing stops that from being `/x` or `../x`.
    pub name: Vec<u8>,
    /// Where its first header starts, in bytes from the start of the archive.
    pub offset: u64,
    /// Owner, mode, time, extended attributes.
    pub metadata: Metadata,
    /// What it is.
    pub kind: MemberKind,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file with its data.
    File {
        /// Byte offset of the data in the archive.
        offset: u64,
        /// Bytes of data.
        size: u64,
    },
    /// A regular file of which only pieces are in the archive. Its [data](Reader::data) are theirs, one behind
    /// the other.
    Sparse {
        /// Bytes of the file.
        size: u64,
        /// Those that are no zeros, in order.
        pieces: Vec<Piece>,
    },
    /// A further name of an earlier member, as written.
    HardLink(Vec<u8>),
    /// A symbolic link and where it points, as written.
    Symlink(Vec<u8>),
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
}

/// Where in an archive a run of a sparse file's bytes is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The bytes of the file.
    pub range: Range<u64>,
    /// The first one's place in the archive.
    pub offset: u64,
}

/// What is wrong with an archive, and at which byte.
#[derive(Debug, thiserror::Error)]
#[error("the tar archive is unusable at byte {offset}")]
pub struct TarError {
    /// Offset of the header concerned.
    pub offset: u64,
    /// What is wrong there.
    #[source]
    pub problem: TarProblem,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum TarProblem {
    /// The file system beneath failed.
    #[error("reading failed")]
    Io(#[source] std::io::Error),
    /// The archive ends inside a member, or without its end marker.
    #[error("the archive is cut short")]
    Truncated,
    /// The sum of the header's bytes is not what the header says.
    #[error("the header's checksum is wrong: this is no tar archive, or it is damaged")]
    Checksum,
    /// A field holds no number.
    #[error("the field {0} holds no number")]
    Number(&'static str),
    /// A pax record is malformed.
    #[error("malformed pax record: {0}")]
    Pax(&'static str),
    /// The list of a sparse file's pieces is malformed.
    #[error("malformed list of a sparse file's pieces: {0}")]
    Sparse(&'static str),
    /// A header of headers (pax, long name) is larger than [`MAX_EXTENSION`].
    #[error("an extended header of {0} bytes, more than {MAX_EXTENSION}")]
    ExtensionTooLarge(u64),
    /// A kind of member that is not supported.
    #[error("{name} is {what}, which is not supported: unpack and pack it again without")]
    Unsupported {
        /// The member's name.
        name: String,
        /// What it is.
        what: String,
    },
}

/// The largest extended header, in bytes: an inode's extended attributes fit several times, and no
/// archive can make us allocate more.
pub const MAX_EXTENSION: u64 = 1 << 20;

#[cfg(test)]
mod tests;
