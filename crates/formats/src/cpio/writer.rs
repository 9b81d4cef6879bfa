//! The writer: members go straight to the stream; inode numbers count up, times are all the same.

use std::io::{self, Read, Write};

use super::{HEADER, Kind, MAGIC, MAX_NAME, Metadata, TRAILER, padding};

/// Owner and permissions of a member that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, with set-uid, set-gid and sticky; at most `0o7777`.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Attributes {
    /// `rw-r--r-- root root`.
    pub const PLAIN: Self = Self::root(0o644);
    /// `rwxr-xr-x root root`: programs and directories.
    pub const EXECUTABLE: Self = Self::root(0o755);

    /// Those permissions, owned by root.
    pub const fn root(permissions: u16) -> Self {
        Self { permissions, uid: 0, gid: 0 }
    }
}

/// A member without content of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node<'a> {
    /// A directory. Parents are not made up: name them first.
    Directory,
    /// A symbolic link to that target.
    Symlink(&'a [u8]),
    /// A character device of that major and minor number.
    CharacterDevice(u32, u32),
    /// A block device of that major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Why a member is not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A name that newc cannot hold, or that ends the archive.
    #[error(
        "cpio archive: {0:?} cannot be a member's name: it is empty, too long, holds NUL or means the end"
    )]
    Name(String),
    /// More data than eight hexadecimal digits can tell.
    #[error("cpio archive: {name:?} has {size} bytes, newc holds at most {}", u32::MAX)]
    TooLarge {
        /// The member.
        name: String,
        /// Its bytes.
        size: u64,
    },
    /// The content turned out shorter or longer than announced.
    #[error("cpio archive: {name:?} gave {found} bytes where {announced} were announced: did it change?")]
    Changed {
        /// The member.
        name: String,
        /// The size that was announced.
        announced: u64,
        /// What came: one byte more than announced stands for any excess.
        found: u64,
    },
    /// The content or the target of the archive failed.
    #[error("cpio archive: writing {name:?} failed")]
    Io {
        /// The member.
        name: String,
        /// Its own error.
        source: io::Error,
    },
}

/// Writes an archive to any stream, member by member.
///
/// Each member gets an inode number of its own, counted from 1, and the same time: the same calls give
/// the same bytes. A leading slash of a name is dropped, since names are relative to the root.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    position: u64,
    ino: u32,
    mtime: u32,
}

impl<W: Write> Writer<W> {
    /// Writes to `inner`; all members are dated `mtime`, seconds since 1970.
    pub fn new(inner: W, mtime: u32) -> Self {
        Self { inner, position: 0, ino: 0, mtime }
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Writes a directory, link, device, pipe or socket.
    pub fn node(
        &mut self,
        path: impl AsRef<[u8]>,
        node: Node<'_>,
        attributes: Attributes,
    ) -> Result<(), WriteError> {
        let (kind, rdev, target) = match node {
            Node::Directory => (Kind::Directory, (0, 0), &b""[..]),
            Node::Symlink(target) => (Kind::Symlink, (0, 0), target),
            Node::CharacterDevice(major, minor) => (Kind::CharacterDevice, (major, minor), &b""[..]),
            Node::BlockDevice(major, minor) => (Kind::BlockDevice, (major, minor), &b""[..]),
            Node::Fifo => (Kind::Fifo, (0, 0), &b""[..]),
            Node::Socket => (Kind::Socket, (0, 0), &b""[..]),
        };
        let name = Name::new(path.as_ref())?;
        let nlink = if kind == Kind::Directory { 2 } else { 1 };
        let metadata = Metadata { rdev, nlink, ..self.metadata(kind, attributes) };
        self.member(&name, &metadata, target.len() as u64, target)
    }

    /// Writes a regular file of `size` bytes, which `content` must give exactly.
    pub fn file(
        &mut self,
        path: impl AsRef<[u8]>,
        attributes: Attributes,
        size: u64,
        content: impl Read,
    ) -> Result<(), WriteError> {
        let metadata = self.metadata(Kind::File, attributes);
        self.member(&Name::new(path.as_ref())?, &metadata, size, content)
    }

    /// As [`file`](Self::file), with the data at a multiple of 4096 from the archive's start, so that it
    /// can be mapped, cloned or read in whole blocks where it lies.
    ///
    /// The room comes from NULs behind the name, which every reader stops at; where a name has no room
    /// for them, a member `.` goes before (the root directory, which is there already).
    pub fn page_aligned_file(
        &mut self,
        path: impl AsRef<[u8]>,
        attributes: Attributes,
        size: u64,
        content: impl Read,
    ) -> Result<(), WriteError> {
        let mut name = Name::new(path.as_ref())?;
        if name.size + name.room_to_page(self.position) > MAX_NAME {
            let mut filler = Name::new(b".")?;
            // Leaves just the room of the header and the name itself before the page.
            let start = self.position + filler.member_head();
            filler.size += name.room_to_page(start);
            let metadata = Metadata { nlink: 2, ..self.metadata(Kind::Directory, Attributes::EXECUTABLE) };
            self.member(&filler, &metadata, 0, io::empty())?;
        }
        name.size += name.room_to_page(self.position);
        let metadata = self.metadata(Kind::File, attributes);
        self.member(&name, &metadata, size, content)
    }

    /// Writes one regular file under several names, as hard links; the data goes with the last of them,
    /// where GNU cpio has it too.
    pub fn links(
        &mut self,
        paths: &[&[u8]],
        attributes: Attributes,
        size: u64,
        content: impl Read,
    ) -> Result<(), WriteError> {
        let Some((last, others)) = paths.split_last() else { return Ok(()) };
        let nlink = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        let metadata = Metadata { nlink, ..self.metadata(Kind::File, attributes) };
        for path in others {
            self.member(&Name::new(path)?, &metadata, 0, io::empty())?;
        }
        self.member(&Name::new(last)?, &metadata, size, content)
    }

    /// Writes the trailer and gives the stream back, not flushed. The archive's length is a multiple
    /// of 4.
    pub fn finish(mut self) -> Result<W, WriteError> {
        let trailer = Name { text: TRAILER, size: TRAILER.len() + 1 };
        self.member(&trailer, &Metadata { nlink: 1, ..Metadata::default() }, 0, io::empty())?;
        Ok(self.inner)
    }

    fn metadata(&mut self, kind: Kind, attributes: Attributes) -> Metadata {
        self.ino = self.ino.wrapping_add(1);
        Metadata {
            ino: self.ino,
            mode: kind.bits() | u32::from(attributes.permissions & 0o7777),
            uid: attributes.uid,
            gid: attributes.gid,
            nlink: 1,
            mtime: self.mtime,
            ..Metadata::default()
        }
    }

    fn member(
        &mut self,
        name: &Name<'_>,
        metadata: &Metadata,
        size: u64,
        content: impl Read,
    ) -> Result<(), WriteError> {
        let data = u32::try_from(size).map_err(|_| WriteError::TooLarge { name: name.display(), size })?;
        let io = |source| WriteError::Io { name: name.display(), source };
        self.inner.write_all(&name.head(metadata, data)).map_err(io)?;
        // One byte more than announced tells a file that grew.
        let found =
            io::copy(&mut content.take(size + 1), &mut Bounded { inner: &mut self.inner, left: size })
                .map_err(io)?;
        if found != size {
            return Err(WriteError::Changed { name: name.display(), announced: size, found });
        }
        let pad = padding(size);
        self.inner.write_all(&[0; 3][..pad as usize]).map_err(io)?;
        self.position += name.member_head() + size + pad;
        Ok(())
    }
}

/// Passes on `left` bytes and swallows the rest, so that an excess can be counted but is not written.
struct Bounded<'a, W> {
    inner: &'a mut W,
    left: u64,
}

impl<W: Write> Write for Bounded<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.inner.write_all(bytes.get(..now).unwrap_or_default())?;
        self.left -= now as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A checked name, with the size it gets in the archive: its NUL and any further NULs included.
struct Name<'a> {
    text: &'a [u8],
    size: usize,
}

impl<'a> Name<'a> {
    fn new(path: &'a [u8]) -> Result<Self, WriteError> {
        let text = path.strip_prefix(b"/").unwrap_or(path);
        if text.is_empty() || text.len() >= MAX_NAME || text.contains(&0) || text == TRAILER {
            return Err(WriteError::Name(path.escape_ascii().to_string()));
        }
        Ok(Self { text, size: text.len() + 1 })
    }

    /// Bytes from the member's start to its data.
    fn member_head(&self) -> u64 {
        let head = (HEADER + self.size) as u64;
        head + padding(head)
    }

    /// By how much the name must grow for the data of a member at `position` to start at a page: a
    /// multiple of 4, the usual padding does the rest.
    fn room_to_page(&self, position: u64) -> usize {
        let data = position + self.member_head();
        (data.wrapping_neg() % 4096) as usize
    }

    fn head(&self, metadata: &Metadata, size: u32) -> Vec<u8> {
        let fields = [
            metadata.ino,
            metadata.mode,
            metadata.uid,
            metadata.gid,
            metadata.nlink,
            metadata.mtime,
            size,
            metadata.dev.0,
            metadata.dev.1,
            metadata.rdev.0,
            metadata.rdev.1,
            self.size as u32,
            0,
        ];
        let mut head = MAGIC.to_vec();
        for field in fields {
            head.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        head.extend_from_slice(self.text);
        head.resize(self.member_head() as usize, 0);
        head
    }

    fn display(&self) -> String {
        String::from_utf8_lossy(self.text).into_owned()
    }
}
