use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::{Content, Inode, Kind, MAX_INODES, Metadata, PathError, Tree, TreePath};

/// The largest extended attribute in bytes: the kernel's own limit (`XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 64 << 10;

/// Why a directory is no tree.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Something below it cannot be read.
    #[error("reading {path} failed: a source tree must be readable by the user who builds")]
    Read {
        /// What cannot be read.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A name that no tree can hold.
    #[error(transparent)]
    Path(#[from] PathError),
    /// More than [`MAX_INODES`] files.
    #[error("{0} holds more than {MAX_INODES} files")]
    TooMany(PathBuf),
}

impl Tree {
    /// Walks a directory of the host. Owners, modes, times, devices, hard links and extended attributes
    /// are taken as they are on disk; other file systems mounted below are entered.
    pub fn from_directory(root: &Path) -> Result<Self, DirectoryError> {
        let mut tree = Self::default();
        let mut names: HashMap<(u64, u64), TreePath> = HashMap::new();
        for entry in walkdir::WalkDir::new(root).follow_root_links(true) {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(root).to_owned();
                let source = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
                DirectoryError::Read { path, source }
            })?;
            let host = entry.path();
            let relative = host.strip_prefix(root).unwrap_or(host);
            let path = TreePath::parse(relative.as_os_str().as_bytes())?;
            let fail = |source| DirectoryError::Read { path: host.to_owned(), source };
            // Through the root's own symbolic link, if it is one; never through those inside.
            let metadata = if path.is_root() { std::fs::metadata(host) } else { host.symlink_metadata() }
                .map_err(fail)?;
            if metadata.nlink() > 1 && !metadata.is_dir() {
                let inode = (metadata.dev(), metadata.ino());
                if let Some(first) = names.get(&inode) {
                    tree.link(path, first);
                    continue;
                }
                names.insert(inode, path.clone());
            }
            let inode = inode(host, &metadata).map_err(fail)?;
            if tree.inodes.len() >= MAX_INODES {
                return Err(DirectoryError::TooMany(root.to_owned()));
            }
            tree.insert(path, inode);
        }
        Ok(tree)
    }
}

fn inode(host: &Path, metadata: &std::fs::Metadata) -> io::Result<Inode> {
    let kind = metadata.file_type();
    let device = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    let kind = if kind.is_dir() {
        Kind::Directory
    } else if kind.is_file() {
        Kind::File(Content::host(host, metadata))
    } else if kind.is_symlink() {
        Kind::Symlink(std::fs::read_link(host)?.into_os_string().as_bytes().to_vec())
    } else if kind.is_fifo() {
        Kind::Fifo
    } else if kind.is_char_device() {
        Kind::CharDevice(device.0, device.1)
    } else if kind.is_block_device() {
        Kind::BlockDevice(device.0, device.1)
    } else {
        Kind::Socket
    };
    let metadata = Metadata {
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: metadata.mtime(),
        mtime_nsec: u32::try_from(metadata.mtime_nsec()).unwrap_or_default(),
        xattrs: xattrs(host)?,
    };
    Ok(Inode { metadata, kind })
}

/// Every extended attribute, POSIX ACLs among them.
fn xattrs(host: &Path) -> io::Result<std::collections::BTreeMap<Vec<u8>, Vec<u8>>> {
    use rustix::fs::{lgetxattr, llistxattr};
    use rustix::io::Errno;

    let mut names = vec![0; XATTR_MAX];
    let length = match llistxattr(host, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let names = names.get(..length).unwrap_or_default();
    let mut found = std::collections::BTreeMap::new();
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; XATTR_MAX];
        let length = lgetxattr(host, OsStr::from_bytes(name), &mut value[..])?;
        value.truncate(length);
        found.insert(name.to_vec(), value);
    }
    Ok(found)
}
