//! Making files, directories and nodes below a directory, and nowhere else.

mod content;
mod dress;
mod node;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use bootwright_formats::tar::Metadata;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Timestamps, futimens, linkat, makedev, mkdirat, mknodat,
    openat, openat2, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::Unpacked;
use dress::times;
use node::parts;
pub use node::{Kind, Node, Problem};

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
            Kind::File(size) => {
                return self.make_file(&parent, name, metadata, |place, file| place.copy(file, size, data));
            }
            Kind::Sparse(size, pieces) => {
                return self.make_file(&parent, name, metadata, |place, file| {
                    place.copy_pieces(file, size, pieces, data)
                });
            }
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
        metadata: &Metadata,
        fill: impl FnOnce(&mut Self, &mut File) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(parent, name, flags, Mode::from_raw_mode(0o600));
        let file = file.map_err(|error| self.full("create", error))?;
        let mut file = File::from(file);
        fill(self, &mut file)?;
        self.dress(&file, metadata)?;
        futimens(&file, &times(metadata)).map_err(system("set its time"))
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

fn system(call: &'static str) -> impl Fn(Errno) -> Problem {
    move |error| Problem::System(call, error.into())
}
