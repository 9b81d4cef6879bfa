//! ext2, ext3 and ext4, read only.
//!
//! Specification: Linux, `Documentation/filesystems/ext4`. All numbers little-endian:
//!
//! ```text
//! 1024                 superblock
//! block after it       group descriptors: where each group's inode table is
//! inode table          inodes: mode, size, and 60 bytes that map its blocks
//! directory's blocks   entries: inode u32, length u16, name's length u8, type u8, name
//! ```
//!
//! * [`Superblock`] is what the file system says of itself.
//! * [`Ext4`] finds inodes, lists directories and gives files as a [`ReadAt`], holes known.
//!
//! Nothing is kept but the superblock: descriptors, inodes and maps are read when they are needed, so no number
//! on the disk decides how much memory is taken. Maps are followed downwards only, at most six blocks deep.
//!
//! Not supported: the journal is not replayed (a file system that was not unmounted shows what was last
//! written to its place), inline data, encrypted files, values of extended attributes. The names of an encrypted
//! directory are its bytes.

mod directory;
mod inode;
mod map;
mod superblock;

use std::io;
use std::sync::Arc;

use crate::{Extent, ExtentKind, ReadAt};

pub use directory::{Entry, MAX_DIRECTORY};
pub use inode::{Inode, Kind};
pub use superblock::Superblock;

/// The longest target of a symbolic link, in bytes: Linux' `PATH_MAX`.
const MAX_TARGET: u64 = 4096;

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Ext4Error {
    /// The disk failed.
    #[error("ext4: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: io::Error,
    },
    /// Another kind of file system.
    #[error("no ext2, ext3 or ext4: its magic at byte 1080 is missing")]
    Absent,
    /// What cannot be.
    #[error("ext4: byte {offset}: {what}")]
    Broken {
        /// Where.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// What this module does not read.
    #[error("ext4: {0} is not supported")]
    Unsupported(String),
}

/// A file system.
#[derive(Clone)]
pub struct Ext4 {
    source: Arc<dyn ReadAt>,
    superblock: Superblock,
}

impl Ext4 {
    /// Reads the superblock of `source`.
    ///
    /// # Errors
    /// [`Ext4Error::Absent`] when this is another kind of file system.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self, Ext4Error> {
        let mut bytes = [0; superblock::SIZE];
        if source.size() < superblock::OFFSET + bytes.len() as u64 {
            return Err(Ext4Error::Absent);
        }
        read(&*source, superblock::OFFSET, &mut bytes)?;
        let superblock = Superblock::parse(&bytes).ok_or(Ext4Error::Absent)?;
        superblock.check()?;
        Ok(Self { source, superblock })
    }

    /// What the file system says of itself.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The directory at the top.
    ///
    /// # Errors
    /// As [`inode`](Self::inode).
    pub fn root(&self) -> Result<Inode, Ext4Error> {
        self.inode(inode::ROOT)
    }

    /// Where a symbolic link leads.
    ///
    /// # Errors
    /// When it is none, or its text is longer than 4096 bytes.
    pub fn target(&self, link: &Inode) -> Result<Vec<u8>, Ext4Error> {
        if link.kind != Kind::Symlink || link.size > MAX_TARGET {
            return Err(link.broken(format!("a symbolic link of {} bytes", link.size)));
        }
        if let Some(text) = link.short_target() {
            return Ok(text.to_vec());
        }
        let mut text = vec![0; link.size as usize];
        read(&self.content(link)?, 0, &mut text)?;
        Ok(text)
    }

    /// The content of a regular file.
    ///
    /// # Errors
    /// When it is none, or kept in a way that this module does not read.
    pub fn file(&self, inode: &Inode) -> Result<File, Ext4Error> {
        if inode.kind != Kind::File {
            return Err(inode.broken("this inode is no regular file".to_owned()));
        }
        self.content(inode)
    }

    fn content(&self, inode: &Inode) -> Result<File, Ext4Error> {
        inode.readable()?;
        Ok(File { ext4: self.clone(), inode: inode.clone() })
    }
}

/// The content of a file.
#[derive(Clone)]
pub struct File {
    ext4: Ext4,
    inode: Inode,
}

impl File {
    /// The run that byte `offset` lies in: where it is on the disk (`None` for zeros), and how many bytes are left.
    fn run(&self, offset: u64) -> io::Result<(Option<u64>, u64)> {
        let unit = self.ext4.superblock.block_size;
        let run = self.ext4.locate(&self.inode, offset / unit).map_err(io::Error::from)?;
        let within = offset % unit;
        let length = run.count.saturating_mul(unit).saturating_sub(within);
        let left = self.inode.size.saturating_sub(offset);
        Ok((run.physical.map(|block| block.saturating_mul(unit).saturating_add(within)), length.min(left)))
    }
}

impl ReadAt for File {
    fn size(&self) -> u64 {
        self.inode.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.inode.size || buffer.is_empty() {
            return Ok(0);
        }
        let (place, length) = self.run(offset)?;
        let count = buffer.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        let buffer = buffer.get_mut(..count).unwrap_or_default();
        match place {
            Some(place) => self.ext4.source.read_at(place, buffer),
            None => {
                buffer.fill(0);
                Ok(count)
            }
        }
    }

    fn extent(&self, offset: u64) -> io::Result<Extent> {
        if offset >= self.inode.size {
            return Ok(Extent { range: offset..offset, kind: ExtentKind::Data });
        }
        let (place, length) = self.run(offset)?;
        let kind = if place.is_some() { ExtentKind::Data } else { ExtentKind::Zero };
        Ok(Extent { range: offset..offset.saturating_add(length), kind })
    }
}

impl From<Ext4Error> for io::Error {
    fn from(error: Ext4Error) -> Self {
        match error {
            Ext4Error::Read { source, .. } => source,
            Ext4Error::Unsupported(_) => Self::new(io::ErrorKind::Unsupported, error),
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

fn read(source: &(impl ReadAt + ?Sized), offset: u64, buffer: &mut [u8]) -> Result<(), Ext4Error> {
    source.read_exact_at(offset, buffer).map_err(|source| Ext4Error::Read { offset, source })
}
