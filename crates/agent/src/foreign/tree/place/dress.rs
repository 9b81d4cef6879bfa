//! Owners, modes, attributes and times.

use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use bootwright_formats::tar::Metadata;
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown, openat,
    setxattr, utimensat,
};
use rustix::io::Errno;

use super::{Kind, Node, Place, Problem, system};

impl Place {
    pub(super) fn dress_root(&mut self, metadata: &Metadata) -> Result<(), Problem> {
        let root = self.open(b"", OFlags::RDONLY | OFlags::DIRECTORY).map_err(system("open the root"))?;
        self.times.push((Vec::new(), times(metadata)));
        self.dress(&root, metadata)
    }

    /// Owner, then mode and attributes, which a change of the owner takes away.
    pub(super) fn dress(&mut self, file: &impl AsFd, metadata: &Metadata) -> Result<(), Problem> {
        let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
        fchown(file, Some(uid), Some(gid)).map_err(system("chown"))?;
        fchmod(file, Mode::from_raw_mode(metadata.mode & 0o7777)).map_err(system("chmod"))?;
        self.attribute(file, metadata)
    }

    /// The same of what cannot be opened.
    pub(super) fn dress_node(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        node: &Node<'_>,
    ) -> Result<(), Problem> {
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
}

pub(super) fn times(metadata: &Metadata) -> Timestamps {
    let time = Timespec { tv_sec: metadata.mtime, tv_nsec: metadata.mtime_nsec.into() };
    Timestamps { last_access: time, last_modification: time }
}
