//! From the initial rootfs into the new root.
//!
//! The initial rootfs cannot be pivoted away, so its place is covered: the new root is moved onto `/`,
//! and the old tree is deleted by a descriptor that was opened before, for its memory.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, StatFs, fstat, fstatfs, openat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount_move, unmount};
use rustix::process::{chdir, chroot};

/// Mounts that the new system wants to find as they are.
const KEPT: &[&str] = &["dev", "proc", "sys", "run"];

/// `f_type` of ramfs and tmpfs: only what lies in memory is deleted.
const IN_MEMORY: &[u64] = &[0x8584_58f6, 0x0102_1994];

/// Directories inside each other that are deleted; no initrd comes near it.
const MAX_DEPTH: usize = 64;

/// Why the new root could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum SwitchRootError {
    /// A mount did not move.
    #[error("moving {from} to {to}")]
    Move {
        /// Where it was.
        from: String,
        /// Where it should be.
        to: String,
        /// What the kernel said.
        source: Errno,
    },
    /// The new root could not be made `/`.
    #[error("entering {root}")]
    Enter {
        /// The new root.
        root: String,
        /// What the kernel said.
        source: Errno,
    },
    /// The new init does not start.
    #[error("starting {init}")]
    Init {
        /// Its path in the new root.
        init: String,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// Moves into `root` and becomes `init`, with the arguments and the environment the kernel gave us.
pub fn switch_root(root: &str, init: &str) -> Result<Infallible, SwitchRootError> {
    let old = openat(CWD, "/", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    for name in KEPT {
        let (from, to) = (format!("/{name}"), format!("{root}/{name}"));
        // A root without the directory cannot be used by its own init either; try, and let mount say it.
        let _ = std::fs::create_dir(&to);
        mount_move(&from, &to).map_err(|source| SwitchRootError::Move { from, to, source })?;
    }
    let _ = unmount("/tmp", UnmountFlags::DETACH);
    let enter = |source| SwitchRootError::Enter { root: root.to_owned(), source };
    chdir(root).map_err(enter)?;
    mount_move(".", "/").map_err(|source| SwitchRootError::Move {
        from: root.to_owned(),
        to: "/".into(),
        source,
    })?;
    chroot(".").map_err(enter)?;
    chdir("/").map_err(enter)?;
    if let Ok(old) = old {
        delete_tree(old.as_fd());
    }
    super::mounts::take_console();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let source = Command::new(init).args(arguments).exec();
    Err(SwitchRootError::Init { init: init.to_owned(), source })
}

/// Deletes what is on the file system of `directory`, and nothing else. A file that does not go costs
/// memory, not the boot.
fn delete_tree(directory: BorrowedFd<'_>) {
    let in_memory = |fs: StatFs| IN_MEMORY.contains(&(fs.f_type as u64));
    let (Ok(fs), Ok(stat)) = (fstatfs(directory), fstat(directory)) else { return };
    if in_memory(fs) {
        delete_below(directory, stat.st_dev, 0);
    }
}

fn delete_below(directory: BorrowedFd<'_>, device: u64, depth: usize) {
    let Ok(entries) = Dir::read_from(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(stat) = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if stat.st_dev != device {
            continue;
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let _ = unlinkat(directory, name, AtFlags::empty());
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if depth < MAX_DEPTH
            && let Ok(child) = openat(directory, name, flags, Mode::empty())
        {
            delete_below(child.as_fd(), device, depth + 1);
        }
        let _ = unlinkat(directory, name, AtFlags::REMOVEDIR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_tree_is_deleted_whole_and_a_link_out_of_it_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("a/b/c")).unwrap();
        fs::write(tree.path().join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path(), tree.path().join("a/link")).unwrap();
        let fd = openat(CWD, tree.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let device = fstat(&fd).unwrap().st_dev;
        delete_below(fd.as_fd(), device, 0);
        assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }
}
