//! squashfs 4.0, the read-only file system of live CDs: a reader of every file, out of any [`ReadAt`].
//!
//! Specification: the format of squashfs-tools as `fs/squashfs/squashfs_fs.h` of Linux has it. All numbers are little
//! endian.
//!
//! ```text
//! superblock │ data and fragments │ inodes │ directories │ fragment table │ … owners, attributes
//! ```
//!
//! * [`Squashfs::open`] takes the superblock; [`Squashfs::root`] and [`Squashfs::inode`] give inodes.
//! * [`Squashfs::entries`] lists a directory, [`Squashfs::lookup`] takes one name of it.
//! * [`Squashfs::file`] is the content of a file, a [`ReadAt`] whose holes are told; one block of it is unpacked at a time.
//!
//! Inodes and directories are a stream that is compressed in [pieces of 8 KiB](metadata). What a number from the image
//! could make us hold or repeat is bounded by named constants; every [`Error`] has the offset of what is wrong.
//!
//! Not read: owners, extended attributes, LZO and the LZMA of before Linux 2.6.38, versions before 4.0.

mod content;
mod directory;
mod error;
mod inode;
mod metadata;
mod superblock;
mod unpack;

use std::sync::Arc;

pub use content::File;
pub use directory::Entry;
pub use error::Error;
pub use inode::{Inode, Kind};
pub use superblock::Superblock;

use crate::{ReadAt, Shared};
use error::Result;
use metadata::Metadata;

/// An image.
pub struct Squashfs(Arc<Volume>);

/// What all files of an image share.
struct Volume {
    image: Shared,
    superblock: Superblock,
    metadata: Metadata,
}

impl Squashfs {
    /// Reads the superblock of `image`.
    ///
    /// # Errors
    /// [`Error::Absent`] when this is another kind of image, [`Error::Unsupported`] for what this reader does not know.
    pub fn open(image: Shared) -> Result<Self> {
        let superblock = Superblock::read(&image)?;
        Ok(Self(Arc::new(Volume { image, superblock, metadata: Metadata::default() })))
    }

    /// What the superblock says.
    pub fn superblock(&self) -> &Superblock {
        &self.0.superblock
    }

    /// The root directory.
    ///
    /// # Errors
    /// As [`inode`](Self::inode).
    pub fn root(&self) -> Result<Inode> {
        self.inode(self.0.superblock.root)
    }

    /// The inode at that place: where its piece begins in the table, and the byte in it (`<< 16 |`).
    ///
    /// # Errors
    /// When there is none.
    pub fn inode(&self, place: u64) -> Result<Inode> {
        inode::read(&self.0, place)
    }

    /// What is in a directory, in its order.
    ///
    /// # Errors
    /// When it is broken, or larger than any real one.
    pub fn entries(&self, directory: &Inode) -> Result<Vec<Entry>> {
        directory::entries(&self.0, directory)
    }

    /// What has that name in a directory.
    ///
    /// # Errors
    /// As [`entries`](Self::entries).
    pub fn lookup(&self, directory: &Inode, name: &[u8]) -> Result<Option<Inode>> {
        let found = self.entries(directory)?.into_iter().find(|entry| entry.name == name);
        found.map(|entry| self.inode(entry.inode)).transpose()
    }

    /// The content of a file.
    ///
    /// # Errors
    /// When its list of blocks is broken, or longer than any real one.
    pub fn file(&self, inode: &Inode) -> Result<File> {
        File::open(Arc::clone(&self.0), inode)
    }

    /// Where a symbolic link leads; empty for anything else.
    ///
    /// # Errors
    /// When it is broken.
    pub fn target(&self, link: &Inode) -> Result<Vec<u8>> {
        inode::target(&self.0, link)
    }
}

impl Volume {
    /// `length` bytes at `offset`; the callers have bounded the length.
    fn bytes(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.image.read_exact_at(offset, &mut bytes).map_err(|source| Error::Read { offset, source })?;
        Ok(bytes)
    }
}
