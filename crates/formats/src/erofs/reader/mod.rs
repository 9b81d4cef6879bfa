//! The reader: every file of an image that mkfs.erofs or our writer makes, out of any [`ReadAt`].
//!
//! * [`Erofs::open`] takes the superblock; [`Erofs::root`] and [`Erofs::inode`] give inodes.
//! * [`Erofs::entries`] lists a directory, [`Erofs::find`] goes along a path, [`Erofs::walk`] visits all.
//! * [`Erofs::file`] is the content of a file, a [`ReadAt`] again: blocks as they are ([flat] or in chunks,
//!   whose holes are told), or [extents](index) that are [unpacked](unpack) one at a time.
//!
//! Nothing of a file is read before it is asked for. What a number from the image could make us hold or
//! repeat is bounded by the named constants here; every [`Error`] has the offset of what is wrong.
//!
//! Not read: images whose data lies on further devices (their directories are), block addresses of 48 bits
//! and metadata in a compressed box (Linux 6.15 and 6.17, which erofs-utils 1.8 does not write), logical
//! clusters of another size than blocks (nothing writes them).
//!
//! [flat]: content

mod clusters;
mod content;
mod directory;
mod error;
mod index;
mod inode;
mod superblock;
mod unpack;
mod walk;
mod xattr;

use std::sync::{Arc, OnceLock};

pub use content::File;
pub use directory::Entry;
pub use error::Error;
pub use inode::{Inode, Kind};
pub use superblock::Superblock;

use crate::{ReadAt, Shared};
use content::{Content, Fragments};
use error::Result;

/// The most bytes of one directory that are read: some 500 000 entries. They are held in memory.
pub const MAX_DIRECTORY: u64 = 16 << 20;

/// An image.
pub struct Erofs(Arc<Volume>);

/// What all files of an image share.
struct Volume {
    image: Shared,
    superblock: Superblock,
    /// The content of the inode that holds the fragments of other files.
    packed: OnceLock<Content>,
    prefixes: OnceLock<Vec<Vec<u8>>>,
}

impl Erofs {
    /// Reads the superblock of `image`.
    ///
    /// # Errors
    /// [`Error::Absent`] when this is another kind of image, [`Error::Unsupported`] when its features are
    /// newer than this reader.
    pub fn open(image: Shared) -> Result<Self> {
        let superblock = Superblock::read(&image)?;
        let volume = Volume { image, superblock, packed: OnceLock::new(), prefixes: OnceLock::new() };
        Ok(Self(Arc::new(volume)))
    }

    /// What the superblock says.
    pub fn superblock(&self) -> &Superblock {
        &self.0.superblock
    }

    /// The root directory.
    pub fn root(&self) -> Result<Inode> {
        self.inode(self.0.superblock.root_nid)
    }

    /// The inode of that number.
    pub fn inode(&self, nid: u64) -> Result<Inode> {
        self.0.inode(nid)
    }

    /// What is in a directory but `.` and `..`, in its order.
    pub fn entries(&self, directory: &Inode) -> Result<Vec<Entry>> {
        directory::entries(&self.0, directory)
    }

    /// The content of a file; that of a directory is its blocks of entries.
    pub fn file(&self, inode: &Inode) -> Result<File> {
        let content = Content::open(&self.0, inode, Fragments::Allowed)?;
        Ok(File::new(Arc::clone(&self.0), content))
    }

    /// Where a symbolic link leads.
    pub fn target(&self, link: &Inode) -> Result<Vec<u8>> {
        /// `PATH_MAX`: no kernel follows a longer one.
        const MAX_TARGET: u64 = 4096;
        if link.size > MAX_TARGET {
            let problem = format!("a symbolic link of {} bytes", link.size);
            return Err(Error::Damaged { problem, offset: link.offset });
        }
        self.0.content(link, link.size)
    }

    /// The extended attributes: values by full names, as getxattr(2) gives them.
    pub fn xattrs(&self, inode: &Inode) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        xattr::read(&self.0, inode)
    }
}

impl Volume {
    fn block_size(&self) -> u64 {
        1 << self.superblock.block_bits
    }

    /// `length` bytes at `offset`; the callers have bounded the length.
    fn bytes(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.image.read_exact_at(offset, &mut bytes).map_err(|source| Error::Read { offset, source })?;
        Ok(bytes)
    }

    /// At most `length` bytes at `offset`, fewer at the end of the image.
    fn bytes_up_to(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let there = usize::try_from(self.image.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        self.bytes(offset, length.min(there))
    }

    /// The content of an inode, whose `size` the caller has bounded.
    fn content(&self, inode: &Inode, size: u64) -> Result<Vec<u8>> {
        let content = Content::open(self, inode, Fragments::Allowed)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        content.fill(self, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Where fragments lie.
    fn packed(&self) -> Result<&Content> {
        if let Some(content) = self.packed.get() {
            return Ok(content);
        }
        let nid = self.superblock.packed_nid.ok_or_else(|| Error::Damaged {
            problem: "a file is in fragments, and the superblock names no inode that holds them".to_owned(),
            offset: superblock::PACKED_NID,
        })?;
        let content = Content::open(self, &self.inode(nid)?, Fragments::Refused)?;
        Ok(self.packed.get_or_init(|| content))
    }
}
