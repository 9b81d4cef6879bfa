//! A root file system as a table in memory: every path with its metadata, contents only referred to.
//!
//! Every source of a root becomes a [`Tree`] ([tar](Tree::from_tar), [directory](Tree::from_directory),
//! [layers](Tree::apply_layer)),
//! every customisation edits it, and writers get it as a [tar stream](Tree::write_tar) or [entry by entry](Tree::write_erofs). Nothing is
//! unpacked, so neither privileges nor a file system that can hold the owners are needed.

mod content;
mod edit;
mod fingerprint;
mod from_directory;
mod from_layer;
mod from_tar;
mod glob;
mod initrd;
mod path;
mod to_erofs;
mod to_tar;
mod unpack;

pub use bootwright_formats::tar::Metadata;
pub use content::{Backing, Content, ContentReader, stamp};
pub use edit::EditError;
pub use from_directory::DirectoryError;
pub use from_tar::FromTarError;
pub use glob::Glob;
pub use path::{PathError, TreePath};

use std::collections::BTreeMap;

/// The most inodes a tree may have: a distribution's full desktop has under a million, and each costs
/// some hundred bytes of memory.
pub const MAX_INODES: usize = 16 << 20;

/// What an inode is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and where it points, as written.
    Symlink(Vec<u8>),
    /// A FIFO.
    Fifo,
    /// A socket that some program left behind.
    Socket,
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
}

/// A file, directory, …, under one or several names.
#[derive(Debug, Clone)]
pub struct Inode {
    /// Owner, mode, time, extended attributes.
    pub metadata: Metadata,
    /// What it is.
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct InodeId(usize);

/// A root file system. Paths are sorted by their bytes, so that a directory comes before what is in it.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    names: BTreeMap<TreePath, InodeId>,
    // Inodes that lost their last name stay here, unreachable: a tree lives for one build.
    inodes: Vec<Inode>,
}

impl Tree {
    /// The inode of that name; symbolic links are not followed.
    pub fn get(&self, path: &TreePath) -> Option<&Inode> {
        self.names.get(path).and_then(|id| self.inodes.get(id.0))
    }

    /// The inode of that name, to be changed; symbolic links are not followed.
    pub fn get_mut(&mut self, path: &TreePath) -> Option<&mut Inode> {
        self.names.get(path).and_then(|id| self.inodes.get_mut(id.0))
    }

    /// Every name with its inode, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, &Inode)> {
        self.names.iter().filter_map(|(path, id)| Some((path, self.inodes.get(id.0)?)))
    }

    /// Every name below the directory `path`, at any depth, sorted.
    pub fn below<'a>(&'a self, path: &TreePath) -> impl Iterator<Item = (&'a TreePath, &'a Inode)> {
        // Everything below sorts in one run behind "path/"; '0' follows '/' in ASCII.
        let prefix = if path.is_root() { Vec::new() } else { [path.as_bytes(), b"/"].concat() };
        let start = TreePath::from_trusted(prefix.clone());
        self.names
            .range(start..)
            .take_while(move |(path, _)| path.as_bytes().starts_with(&prefix))
            .filter(|(path, _)| !path.is_root())
            .filter_map(|(path, id)| Some((path, self.inodes.get(id.0)?)))
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Bytes in its regular files, hard links counted once.
    pub fn file_bytes(&self) -> u64 {
        let mut seen = std::collections::HashSet::new();
        let mut total = 0;
        for id in self.names.values().filter(|id| seen.insert(**id)) {
            if let Some(Inode { kind: Kind::File(content), .. }) = self.inodes.get(id.0) {
                total = content.len().saturating_add(total);
            }
        }
        total
    }

    /// The newest modification time that is not later than `limit`, in seconds since 1970.
    pub fn newest(&self, limit: u64) -> u64 {
        self.iter()
            .filter_map(|(_, inode)| u64::try_from(inode.metadata.mtime).ok())
            .filter(|mtime| *mtime <= limit)
            .max()
            .unwrap_or_default()
    }

    /// Sets back every later modification time to `epoch` (seconds since 1970).
    pub fn clamp_times(&mut self, epoch: u64) {
        for inode in &mut self.inodes {
            let metadata = &mut inode.metadata;
            if u64::try_from(metadata.mtime).is_ok_and(|mtime| mtime >= epoch) {
                metadata.mtime = i64::try_from(epoch).unwrap_or(i64::MAX);
                metadata.mtime_nsec = 0;
            }
        }
    }

    /// Gives `path` a new inode, in place of the one it had.
    pub(crate) fn insert(&mut self, path: TreePath, inode: Inode) {
        let id = InodeId(self.inodes.len());
        self.inodes.push(inode);
        self.names.insert(path, id);
    }

    /// Gives the inode of `existing` the further name `path`; whether there is such an inode.
    pub(crate) fn link(&mut self, path: TreePath, existing: &TreePath) -> bool {
        let Some(id) = self.names.get(existing).copied() else { return false };
        self.names.insert(path, id);
        true
    }
}

#[cfg(test)]
mod tests;
