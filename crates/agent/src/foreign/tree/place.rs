//! Making files, directories and nodes below a directory, and nowhere else.

use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use bootwright_formats::tar::Metadata;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags, chownat,
    fchmod, fchown, futimens, linkat, makedev, mkdirat, mknodat, openat, openat2, setxattr, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;

use super::Unpacked;

/// `PATH_MAX` and `NAME_MAX` of Linux.
const MAX_PATH: usize = 4096;
const MAX_NAME: usize = 255;

/// Bytes that are copied at once.
const PIECE: usize = 128 << 10;

/// A member of an archive, as it is to be made.
pub struct Node<'a> {
    /// Its name in the archive.
    pub name: &'a [u8],
    /// Owner, mode, time, extended attributes.
    pub metadata: &'a Metadata,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What a member is.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// A regular file of so many bytes.
    File(u64),
    /// A further name of the file of that name.
    HardLink(&'a [u8]),
    /// The same; so many bytes of content come with this name, as cpio has it.
    FurtherName(&'a [u8], u64),
    /// A symbolic link that leads there.
    Symlink(&'a [u8]),
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
}

/// Why a member is not made.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A name that is none, or leads out.
    #[error("its name {0}")]
    Name(&'static str),
    /// A hard link to something that does not come before.
    #[error("it is a hard link to {0}, and no such file comes before it")]
    HardLink(String),
    /// A directory with something in it has this name.
    #[error("a directory of that name is there already, and is not empty")]
    InTheWay,
    /// The way to it leads over a link to nowhere, or over something that is no directory.
    #[error("what should be its directory is none")]
    Directory,
    /// No type of file.
    #[error("its mode {0:o} is of no type")]
    Kind(u32),
    /// More than there is room for.
    #[error("the archive unpacks to more than {} MiB, for which there is no room in memory", .0 >> 20)]
    Room(u64),
    /// The archive ended or the system failed.
    #[error("{0}")]
    System(&'static str, #[source] io::Error),
}

/// The directory that becomes the root.
pub struct Place {
    root: OwnedFd,
    room: u64,
    done: Unpacked,
    /// Directories and their times, which every entry made in them changes.
    times: Vec<(Vec<u8>, Timestamps)>,
}

impl Place {
    /// Below `root`, with room for so many bytes of data.
    pub fn new(root: OwnedFd, room: u64) -> Self {
        Self { root, room, done: Unpacked::default(), times: Vec::new() }
    }

    /// Makes a member; what has its name already goes. The bytes of a file come from `data`.
    pub fn make(&mut self, node: &Node<'_>, data: &mut dyn Read) -> Result<(), Problem> {
        self.done.members += 1;
        let parts = parts(node.name)?;
        let Some((name, above)) = parts.split_last() else {
            return match node.kind {
                Kind::Directory => self.dress_root(node.metadata),
                _ => Err(Problem::Name("is that of the root")),
            };
        };
        let parent = self.directory(above, Missing::Make)?;
        match node.kind {
            Kind::Directory => return self.make_directory(&parent, name, &parts, node.metadata),
            Kind::HardLink(target) => return self.link(target, &parent, name),
            Kind::FurtherName(target, size) => {
                self.link(target, &parent, name)?;
                return if size > 0 {
                    self.refill(&parent, (name, size), node.metadata, data)
                } else {
                    Ok(())
                };
            }
            _ => clear(&parent, name)?,
        }
        let metadata = node.metadata;
        let special = |kind, (major, minor)| {
            let made = mknodat(&parent, *name, kind, Mode::from_raw_mode(0o600), makedev(major, minor));
            made.map_err(system("mknod"))
        };
        match node.kind {
            Kind::File(size) => return self.make_file(&parent, name, size, metadata, data),
            Kind::Symlink(target) => symlinkat(target, &parent, *name).map_err(system("symlink"))?,
            Kind::Fifo => special(FileType::Fifo, (0, 0))?,
            Kind::Socket => special(FileType::Socket, (0, 0))?,
            Kind::CharDevice(major, minor) => special(FileType::CharacterDevice, (major, minor))?,
            Kind::BlockDevice(major, minor) => special(FileType::BlockDevice, (major, minor))?,
            Kind::Directory | Kind::HardLink(_) | Kind::FurtherName(..) => return Ok(()),
        }
        self.dress_node(&parent, name, node)
    }

    /// What was made; the times of directories are set last.
    pub fn finish(self) -> Unpacked {
        for (path, times) in self.times.iter().rev() {
            // A directory that has been replaced since has no time of its own to lose.
            if let Ok(directory) = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
                let _ = futimens(&directory, times);
            }
        }
        self.done
    }

    /// Opens a path inside the root, whatever links lie on the way.
    fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    fn directory(&self, parts: &[&[u8]], missing: Missing) -> Result<OwnedFd, Problem> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open(&parts.join(&b'/'), flags) {
            Ok(directory) => return Ok(directory),
            Err(Errno::NOENT) if missing == Missing::Make => {}
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Err(Problem::Directory),
            Err(error) => return Err(system("open a directory")(error)),
        }
        let Some((name, above)) = parts.split_last() else { return Err(Problem::Directory) };
        let parent = self.directory(above, missing)?;
        match mkdirat(&parent, *name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {}
            // A link to nowhere.
            Err(Errno::EXIST) => return Err(Problem::Directory),
            Err(error) => return Err(self.full("mkdir", error)),
        }
        self.open(&parts.join(&b'/'), flags).map_err(system("open a directory"))
    }

    fn make_directory(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        parts: &[&[u8]],
        metadata: &Metadata,
    ) -> Result<(), Problem> {
        let path = parts.join(&b'/');
        if mkdirat(parent, name, Mode::from_raw_mode(0o700)) == Err(Errno::EXIST) {
            // A link to a directory stays, as roots with /lib -> usr/lib want it.
            let own =
                openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
            match own {
                Ok(_) => {}
                Err(_) if self.open(&path, OFlags::PATH | OFlags::DIRECTORY).is_ok() => return Ok(()),
                Err(_) => {
                    clear(parent, name)?;
                    mkdirat(parent, name, Mode::from_raw_mode(0o700))
                        .map_err(|error| self.full("mkdir", error))?;
                }
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory =
            openat(parent, name, flags, Mode::empty()).map_err(|error| self.full("mkdir", error))?;
        self.dress(&directory, metadata)?;
        self.times.push((path, times(metadata)));
        Ok(())
    }

    fn make_file(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        size: u64,
        metadata: &Metadata,
        data: &mut dyn Read,
    ) -> Result<(), Problem> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(parent, name, flags, Mode::from_raw_mode(0o600));
        let file = file.map_err(|error| self.full("create", error))?;
        let mut file = std::fs::File::from(file);
        self.copy(&mut file, size, data)?;
        self.dress(&file, metadata)?;
        futimens(&file, &times(metadata)).map_err(system("set its time"))
    }

    /// Writes the content of a file that was made under another name.
    fn refill(
        &mut self,
        parent: &OwnedFd,
        (name, size): (&[u8], u64),
        metadata: &Metadata,
        data: &mut dyn Read,
    ) -> Result<(), Problem> {
        let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(parent, name, flags, Mode::empty()).map_err(system("open"))?;
        let mut file = std::fs::File::from(file);
        self.copy(&mut file, size, data)?;
        // Writing takes set-uid bits away.
        self.dress(&file, metadata)?;
        futimens(&file, &times(metadata)).map_err(system("set its time"))
    }

    fn copy(&mut self, file: &mut std::fs::File, size: u64, data: &mut dyn Read) -> Result<(), Problem> {
        if size > self.room - self.done.bytes {
            return Err(Problem::Room(self.room));
        }
        let mut buffer = vec![0; PIECE.min(usize::try_from(size).unwrap_or(PIECE).max(1))];
        let mut left = size;
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = buffer.get_mut(..most).unwrap_or_default();
            let read = data.read(piece).map_err(|error| Problem::System("reading its data", error))?;
            if read == 0 {
                let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut short");
                return Err(Problem::System("reading its data", cut));
            }
            let written = file.write_all(piece.get(..read).unwrap_or_default());
            written.map_err(|error| match error.kind() {
                io::ErrorKind::StorageFull => Problem::Room(self.room),
                _ => Problem::System("write", error),
            })?;
            left -= read as u64;
        }
        self.done.bytes += size;
        Ok(())
    }

    fn link(&self, target: &[u8], parent: &OwnedFd, name: &[u8]) -> Result<(), Problem> {
        let missing = || Problem::HardLink(target.escape_ascii().to_string());
        let to = parts(target)?;
        let (to_name, above) = to.split_last().ok_or_else(missing)?;
        let directory = self.directory(above, Missing::Refuse).map_err(|_| missing())?;
        let found = rustix::fs::statat(&directory, *to_name, AtFlags::SYMLINK_NOFOLLOW);
        let found = found.map_err(|_| missing())?;
        let here = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
        if here.is_ok_and(|here| (here.st_dev, here.st_ino) == (found.st_dev, found.st_ino)) {
            return Ok(());
        }
        clear(parent, name)?;
        match linkat(&directory, *to_name, parent, name, AtFlags::empty()) {
            Ok(()) => Ok(()),
            // Directories have one name.
            Err(Errno::PERM | Errno::NOENT) => Err(missing()),
            Err(error) => Err(self.full("link", error)),
        }
    }

    fn dress_root(&mut self, metadata: &Metadata) -> Result<(), Problem> {
        let root = self.open(b"", OFlags::RDONLY | OFlags::DIRECTORY).map_err(system("open the root"))?;
        self.times.push((Vec::new(), times(metadata)));
        self.dress(&root, metadata)
    }

    /// Owner, then mode and attributes, which a change of the owner takes away.
    fn dress(&mut self, file: &impl AsFd, metadata: &Metadata) -> Result<(), Problem> {
        let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
        fchown(file, Some(uid), Some(gid)).map_err(system("chown"))?;
        fchmod(file, Mode::from_raw_mode(metadata.mode & 0o7777)).map_err(system("chmod"))?;
        self.attribute(file, metadata)
    }

    /// The same of what cannot be opened.
    fn dress_node(&mut self, parent: &OwnedFd, name: &[u8], node: &Node<'_>) -> Result<(), Problem> {
        let metadata = node.metadata;
        let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
        chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).map_err(system("chown"))?;
        if !matches!(node.kind, Kind::Symlink(_)) {
            let mode = Mode::from_raw_mode(metadata.mode & 0o7777);
            rustix::fs::chmodat(parent, name, mode, AtFlags::empty()).map_err(system("chmod"))?;
        }
        if !metadata.xattrs.is_empty() {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let node = openat(parent, name, flags, Mode::empty()).map_err(system("open"))?;
            self.attribute(&node, metadata)?;
        }
        utimensat(parent, name, &times(metadata), AtFlags::SYMLINK_NOFOLLOW).map_err(system("set its time"))
    }

    fn attribute(&mut self, file: &impl AsFd, metadata: &Metadata) -> Result<(), Problem> {
        // By its descriptor's name, which leads to a link, too, without following that.
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        for (name, value) in &metadata.xattrs {
            match setxattr(&path, name.as_slice(), value, XattrFlags::empty()) {
                Ok(()) => {}
                // A kernel or a file system without them: tmpfs has user.* since Linux 6.6 only.
                Err(Errno::OPNOTSUPP) => {
                    let first = || (0, name.escape_ascii().to_string());
                    self.done.refused.get_or_insert_with(first).0 += 1;
                }
                Err(error) => return Err(self.full("setxattr", error)),
            }
        }
        Ok(())
    }

    fn full(&self, call: &'static str, error: Errno) -> Problem {
        match error {
            Errno::NOSPC => Problem::Room(self.room),
            error => system(call)(error),
        }
    }
}

/// What becomes of a directory on the way that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Refuse,
}

/// The parts of a name; none for the root itself.
fn parts(name: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    if name.len() >= MAX_PATH {
        return Err(Problem::Name("is longer than 4095 bytes"));
    }
    if name.contains(&0) {
        return Err(Problem::Name("has a NUL in it"));
    }
    let parts = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    parts
        .map(|part| match part {
            b".." => Err(Problem::Name("leads out of the archive (..)")),
            part if part.len() > MAX_NAME => Err(Problem::Name("has a part of more than 255 bytes")),
            part => Ok(part),
        })
        .collect()
}

/// Takes away what is there by that name, but no directory with something in it.
fn clear(parent: &OwnedFd, name: &[u8]) -> Result<(), Problem> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => Err(Problem::InTheWay),
            Err(error) => Err(system("rmdir")(error)),
        },
        Err(error) => Err(system("unlink")(error)),
    }
}

fn times(metadata: &Metadata) -> Timestamps {
    let time = Timespec { tv_sec: metadata.mtime, tv_nsec: metadata.mtime_nsec.into() };
    Timestamps { last_access: time, last_modification: time }
}

fn system(call: &'static str) -> impl Fn(Errno) -> Problem {
    move |error| Problem::System(call, error.into())
}
