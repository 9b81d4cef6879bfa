//! The writer: entries in, blocks out.

mod chunks;
mod directory;
mod entry;
mod finish;
mod index;
mod inode;
mod layout;
mod pack;
mod raw_inode;
mod superblock;
mod xattr;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use chunks::KnownChunks;
use directory::Directory;
pub use entry::{Compression, Error, InodeId, Kind, Metadata, Options, Written};
use inode::{Data, FileData, Inode};
pub use pack::Algorithm;
use pack::{Batch, ExtentKind, Packed, Place, Pool, SEGMENT};
use raw_inode::{FileType, device};
use xattr::Xattrs;

/// Bytes of a block, in which everything is counted.
pub const BLOCK_SIZE: usize = 4096;
const BLOCK: usize = BLOCK_SIZE;
/// The longest name, `EROFS_NAME_LEN`.
const MAX_NAME: usize = 255;
/// The longest target of a symbolic link: `PATH_MAX` with its NUL.
const MAX_TARGET: usize = 4095;
/// What an inode at most takes before its attributes.
const MAX_INODE: usize = 64;

/// Writes one image. Entries may come in any order in which directories are before what they hold; data is
/// laid out in the order in which files come.
pub struct Writer<W> {
    out: Output<W>,
    options: Options,
    inodes: Vec<Inode>,
    directories: HashMap<Vec<u8>, usize>,
    xattrs: Xattrs,
    batch: Batch<(usize, Place)>,
    pool: Pool<(usize, Place)>,
    /// Files by size, room behind the inode and digest.
    known: HashMap<(usize, [u8; 32]), usize>,
    chunks: KnownChunks,
}

impl<W: Write> Writer<W> {
    /// A writer to `out`, which need not seek.
    ///
    /// # Errors
    /// When `out` does not take the empty first block.
    pub fn new(out: W, options: Options) -> Result<Self, Error> {
        let mut out = Output { inner: out, blocks: 0 };
        out.write(&[0; BLOCK])?;
        let settings = options.compression.map(|compression| (compression.algorithm, compression.level));
        Ok(Self {
            out,
            options,
            inodes: Vec::new(),
            directories: HashMap::new(),
            xattrs: Xattrs::default(),
            batch: Batch::default(),
            pool: Pool::new(settings, options.threads.get()),
            known: HashMap::new(),
            chunks: KnownChunks::default(),
        })
    }

    /// Adds an entry at `path`: names with slashes between them, the empty path for the root, which comes
    /// first.
    ///
    /// # Errors
    /// What the format cannot hold, and what fails to be read or written.
    pub fn add(&mut self, path: &[u8], metadata: &Metadata<'_>, kind: Kind<'_>) -> Result<InodeId, Error> {
        let xattrs = metadata.xattrs.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        let xattrs = self.xattrs.add(path, xattrs)?;
        let room = (BLOCK - MAX_INODE).saturating_sub(self.xattrs.bound(&xattrs));
        let index = self.inodes.len();
        let (kind_on_disk, size, data) = match &kind {
            Kind::Directory => (FileType::Directory, 0, Data::Directory(Directory::default())),
            Kind::File(size, _) => (FileType::Regular, *size, Data::File(FileData::new(room))),
            Kind::Sparse(content) => (FileType::Regular, content.size(), Data::File(FileData::new(room))),
            Kind::Symlink(target) => {
                if target.is_empty() || target.len() > MAX_TARGET {
                    return Err(Error::Name(display(path)));
                }
                (FileType::Symlink, target.len() as u64, inode::target(target, room))
            }
            Kind::Fifo => (FileType::Fifo, 0, Data::None),
            Kind::Socket => (FileType::Socket, 0, Data::None),
            Kind::CharDevice(major, minor) => (FileType::CharDevice, 0, Data::Device(device(*major, *minor))),
            Kind::BlockDevice(major, minor) => {
                (FileType::BlockDevice, 0, Data::Device(device(*major, *minor)))
            }
        };
        self.inodes.push(Inode::new(kind_on_disk, metadata, xattrs, size, data));
        self.name(path, index)?;
        match kind {
            Kind::File(size, content) => self.read(path, index, room, size, content)?,
            Kind::Sparse(content) => self.read_sparse(path, index, room, content)?,
            _ => {}
        }
        Ok(InodeId(index))
    }

    /// Gives an inode that was added one more name.
    ///
    /// # Errors
    /// When it is a directory or the path has no place.
    pub fn link(&mut self, path: &[u8], inode: InodeId) -> Result<(), Error> {
        if self.inodes.get(inode.0).is_none_or(|inode| inode.kind == FileType::Directory) {
            return Err(Error::LinkedDirectory(display(path)));
        }
        self.name(path, inode.0)
    }

    /// Enters an inode in its directory.
    fn name(&mut self, path: &[u8], index: usize) -> Result<(), Error> {
        let kind = self.inodes.get(index).map(|inode| inode.kind);
        let kind = kind.ok_or_else(|| Error::NoParent(display(path)))?;
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (path.get(..slash), path.get(slash + 1..)),
            None => (Some(&b""[..]), Some(path)),
        };
        let (parent, name) = (parent.unwrap_or_default(), name.unwrap_or_default());
        if path.is_empty() {
            if index != 0 || kind != FileType::Directory {
                return Err(Error::Twice("/".to_owned()));
            }
        } else if name.is_empty()
            || name.len() > MAX_NAME
            || name == b"."
            || name == b".."
            || name.contains(&0)
        {
            return Err(Error::Name(display(path)));
        }
        let above = match self.directories.get(parent) {
            Some(above) => *above,
            None if path.is_empty() => 0,
            None => return Err(Error::NoParent(display(path))),
        };
        if kind == FileType::Directory {
            self.directories.insert(path.to_vec(), index);
            if let Some(Inode { data: Data::Directory(directory), nlink, .. }) = self.inodes.get_mut(index) {
                directory.names.insert(b".".to_vec(), (index, FileType::Directory));
                directory.names.insert(b"..".to_vec(), (above, FileType::Directory));
                *nlink = 2;
            }
        } else if let Some(inode) = self.inodes.get_mut(index) {
            inode.nlink += 1;
        }
        if path.is_empty() {
            return Ok(());
        }
        let Some(Inode { data: Data::Directory(directory), nlink, .. }) = self.inodes.get_mut(above) else {
            return Err(Error::NoParent(display(path)));
        };
        if directory.names.insert(name.to_vec(), (index, kind)).is_some() {
            return Err(Error::Twice(display(path)));
        }
        *nlink += u32::from(kind == FileType::Directory);
        Ok(())
    }

    /// Takes the bytes of a file, segment by segment.
    fn read(
        &mut self,
        path: &[u8],
        index: usize,
        room: usize,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let failed = |source| Error::Read { path: display(path), source };
        let mut left = size;
        let mut segment = Vec::new();
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(SEGMENT);
            segment.resize(length, 0);
            content.read_exact(&mut segment).map_err(failed)?;
            let whole = left == size;
            left -= length as u64;
            let place = if left == 0 { Place::Last } else { Place::Inner };
            if whole && place == Place::Last {
                let digest: [u8; 32] = Sha256::digest(&segment).into();
                if let Some(earlier) = self.known.get(&(room, digest)) {
                    let earlier = *earlier;
                    return self.share(index, earlier);
                }
                self.known.insert((room, digest), index);
            }
            self.batch.push((index, place), &segment, place);
            if self.batch.is_full() {
                self.submit()?;
            }
        }
        Ok(())
    }

    /// The inode's data is that of an earlier one.
    fn share(&mut self, index: usize, earlier: usize) -> Result<(), Error> {
        if let Some(inode) = self.inodes.get_mut(index) {
            inode.data = Data::Same(earlier);
        }
        Ok(())
    }

    /// Hands over what is left and stores all that comes back.
    fn drain(&mut self) -> Result<(), Error> {
        if !self.batch.is_empty() {
            self.submit()?;
        }
        while let Some(packed) = self.pool.next() {
            self.store(packed.map_err(Error::Write)?)?;
        }
        Ok(())
    }

    fn submit(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        match self.pool.submit(batch) {
            Some(packed) => self.store(packed.map_err(Error::Write)?),
            None => Ok(()),
        }
    }

    /// Writes what came back from the threads.
    fn store(&mut self, results: Vec<((usize, Place), Packed)>) -> Result<(), Error> {
        for ((index, place), packed) in results {
            let Some(Inode { data: Data::File(file), .. }) = self.inodes.get_mut(index) else { continue };
            if file.blocks == 0 && !packed.blocks.is_empty() {
                file.first = self.out.next_block()?;
            }
            self.out.write(&packed.blocks)?;
            file.blocks += (packed.blocks.len() / BLOCK) as u32;
            file.tail = packed.tail.into();
            file.extents.extend(packed.extents);
            if place == Place::Last {
                close(&mut self.out, file)?;
            }
        }
        Ok(())
    }
}

/// A file that nothing made smaller is not kept as a compressed one.
fn close<W: Write>(out: &mut Output<W>, file: &mut FileData) -> Result<(), Error> {
    if file.extents.iter().any(|extent| extent.kind == ExtentKind::Compressed) {
        file.extents.shrink_to_fit();
        return Ok(());
    }
    file.extents = Vec::new();
    if file.tail.len() > file.room {
        if file.blocks == 0 {
            file.first = out.next_block()?;
        }
        out.write(&file.tail)?;
        file.blocks += 1;
        file.tail = Arc::default();
    }
    Ok(())
}

/// Whole blocks, counted.
struct Output<W> {
    inner: W,
    blocks: u64,
}

impl<W: Write> Output<W> {
    fn next_block(&self) -> Result<u32, Error> {
        u32::try_from(self.blocks).map_err(|_| Error::TooLarge)
    }

    /// Writes bytes and zeros to the next block.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.inner.write_all(bytes).map_err(Error::Write)?;
        let padding = bytes.len().next_multiple_of(BLOCK) - bytes.len();
        let zeros = [0; BLOCK];
        self.inner.write_all(zeros.get(..padding).unwrap_or_default()).map_err(Error::Write)?;
        self.blocks += bytes.len().div_ceil(BLOCK) as u64;
        Ok(())
    }
}

fn display(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}
