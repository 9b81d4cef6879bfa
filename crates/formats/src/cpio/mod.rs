//! cpio archives in the form newc ("SVR4 without checksum"), the one an initramfs is made of.
//!
//! Specification: Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`. A member is
//!
//! ```text
//! header   110 bytes: the magic "070701", then 13 fields of 8 hexadecimal digits
//!          ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
//! name     namesize bytes, the last one NUL; padded with NUL to a multiple of 4 from the header's start
//! data     filesize bytes; padded with NUL to a multiple of 4
//! ```
//!
//! and the archive ends with an empty member named `TRAILER!!!`. Archives may follow each other, with
//! any number of NUL bytes between them as long as a header starts at a multiple of 4.
//!
//! The [`Reader`] also takes `070702`, which differs by a checksum in the last field that is not
//! verified. Not supported: the binary and the octal (`070707`) forms, and members above 4 GiB - 1,
//! for which newc has no digits.

mod reader;
mod writer;

#[cfg(feature = "compression")]
pub(crate) use reader::Head;
pub use reader::{Entry, Reader};
pub use writer::{Attributes, Node, WriteError, Writer};

/// Bytes of a member's header.
pub const HEADER: usize = 110;

/// The longest name in bytes, its NUL included. It is the kernel's own bound (`PATH_MAX`): a member
/// with a longer name is skipped at boot. It bounds what is held in memory per member.
pub const MAX_NAME: usize = 4096;

/// The name of the member that ends an archive.
pub const TRAILER: &[u8] = b"TRAILER!!!";

const MAGIC: &[u8; 6] = b"070701";
const MAGIC_CHECKSUM: &[u8; 6] = b"070702";

/// `S_IFMT` of stat(2): the bits of a mode that say what a member is.
const TYPE_MASK: u32 = 0o170_000;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file; its data is the content.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; its data is the target.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl Kind {
    fn of(mode: u32) -> Option<Self> {
        Some(match mode & TYPE_MASK {
            0o100_000 => Self::File,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Symlink,
            0o020_000 => Self::CharacterDevice,
            0o060_000 => Self::BlockDevice,
            0o010_000 => Self::Fifo,
            0o140_000 => Self::Socket,
            _ => return None,
        })
    }

    fn bits(self) -> u32 {
        match self {
            Self::File => 0o100_000,
            Self::Directory => 0o040_000,
            Self::Symlink => 0o120_000,
            Self::CharacterDevice => 0o020_000,
            Self::BlockDevice => 0o060_000,
            Self::Fifo => 0o010_000,
            Self::Socket => 0o140_000,
        }
    }
}

/// The fields of a member's header, in its order, but for the lengths of name and data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Inode number: members that share it (and the device) and have `nlink` above 1 are one file.
    pub ino: u32,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of links.
    pub nlink: u32,
    /// Time of last modification, seconds since 1970.
    pub mtime: u32,
    /// Major and minor number of the file system that the member was read from.
    pub dev: (u32, u32),
    /// Major and minor number, where the member is a device.
    pub rdev: (u32, u32),
}

impl Metadata {
    /// What the member is; `None` for type bits that no system knows.
    pub fn kind(&self) -> Option<Kind> {
        Kind::of(self.mode)
    }

    /// The permission bits, with set-uid, set-gid and sticky.
    pub fn permissions(&self) -> u16 {
        (self.mode & 0o7777) as u16
    }
}

/// Why an archive is refused. Offsets are bytes from where the [`Reader`] started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source failed.
    #[error("cpio archive: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// The source's own error.
        source: std::io::Error,
    },
    /// The source ends within a member.
    #[error("cpio archive: the member at offset {member} is cut off at offset {offset}")]
    Truncated {
        /// Where the member's header starts.
        member: u64,
        /// Where the bytes end.
        offset: u64,
    },
    /// No member of the newc form.
    #[error("cpio archive: no newc member at offset {offset}: magic {found:?} instead of \"070701\"")]
    Magic {
        /// Where the member should start.
        offset: u64,
        /// The bytes there.
        found: String,
    },
    /// A header that the kernel would read at another place.
    #[error("cpio archive: the header at offset {offset} does not lie at a multiple of 4")]
    Misplaced {
        /// Where the header starts.
        offset: u64,
    },
    /// A field that is no number.
    #[error("cpio archive: field {field} of the member at offset {offset} is not hexadecimal: {found:?}")]
    Field {
        /// Where the member's header starts.
        offset: u64,
        /// The field's name in the specification.
        field: &'static str,
        /// The bytes there.
        found: String,
    },
    /// A name of no, or of too great, length.
    #[error("cpio archive: the name of the member at offset {offset} has {size} bytes, not 1 to {MAX_NAME}")]
    NameSize {
        /// Where the member's header starts.
        offset: u64,
        /// What the header says.
        size: u32,
    },
    /// A name that does not end with NUL.
    #[error("cpio archive: the name of the member at offset {offset} does not end with NUL")]
    NameEnd {
        /// Where the member's header starts.
        offset: u64,
    },
    /// A symbolic link whose target is longer than a path can be.
    #[error("cpio archive: the link at offset {offset} has a target of {size} bytes, more than {MAX_NAME}")]
    Target {
        /// Where the member's header starts.
        offset: u64,
        /// What the header says.
        size: u32,
    },
}

/// The number of bytes that pad `length` to a multiple of 4.
const fn padding(length: u64) -> u64 {
    length.wrapping_neg() % 4
}
