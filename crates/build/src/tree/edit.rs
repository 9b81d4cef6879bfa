//! Changing a tree as a person would with cp, mkdir, ln and rm inside it.

use super::{Content, Glob, Inode, Kind, Metadata, PathError, Tree, TreePath};

/// How many symbolic links are followed on the way to a file: Linux's own limit (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;
/// The largest file that a customisation reads (passwd, units, …): these are small texts.
const MAX_TEXT: u64 = 16 << 20;

/// Why a tree cannot be changed that way.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// A symbolic link on the way leads nowhere good.
    #[error("{path}: the symbolic link {link} leads in a circle or out of the root")]
    Link {
        /// What was looked for.
        path: TreePath,
        /// The link that cannot be followed.
        link: TreePath,
    },
    /// Something on the way is no directory.
    #[error("{path} cannot be made: {parent} is no directory")]
    NotADirectory {
        /// What was to be made.
        path: TreePath,
        /// What is in the way.
        parent: TreePath,
    },
    /// A directory where a file should be.
    #[error("{0} is a directory")]
    IsADirectory(TreePath),
    /// The path itself.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Reading what is there already.
    #[error("reading {path} failed")]
    Read {
        /// The file.
        path: TreePath,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Tree {
    /// Where `path` leads when symbolic links are followed, the last one too; parts that do not exist
    /// are taken as written. Links never lead out of the root.
    pub fn resolve(&self, path: &TreePath) -> Result<TreePath, EditError> {
        let mut left: Vec<Vec<u8>> = path.parts().map(<[u8]>::to_vec).collect();
        left.reverse();
        let mut at = TreePath::ROOT;
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == b".." {
                at = at.parent().unwrap_or(TreePath::ROOT);
                continue;
            }
            let next = at.join(&part)?;
            let Some(Inode { kind: Kind::Symlink(target), .. }) = self.get(&next) else {
                at = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(EditError::Link { path: path.clone(), link: next });
            }
            if target.starts_with(b"/") {
                at = TreePath::ROOT;
            }
            let parts = target.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".");
            left.extend(parts.rev().map(<[u8]>::to_vec));
        }
        Ok(at)
    }

    /// Like [`Tree::resolve`], but the last part is taken as it is: the place of a link itself.
    pub fn resolve_parent(&self, path: &TreePath) -> Result<TreePath, EditError> {
        match path.parent() {
            None => Ok(TreePath::ROOT),
            Some(parent) => Ok(self.resolve(&parent)?.join(path.name())?),
        }
    }

    /// The text of a file, links followed; `None` when there is no regular file.
    pub fn read(&self, path: &TreePath) -> Result<Option<Vec<u8>>, EditError> {
        let resolved = self.resolve(path)?;
        let Some(Inode { kind: Kind::File(content), .. }) = self.get(&resolved) else { return Ok(None) };
        let bytes = content.read(MAX_TEXT);
        bytes.map(Some).map_err(|source| EditError::Read { path: resolved, source })
    }

    /// Makes the directory and those above it where they are missing, owned by root, mode 0755.
    /// Returns where it is, links followed.
    pub fn make_directory(&mut self, path: &TreePath, mtime: u64) -> Result<TreePath, EditError> {
        let path = self.resolve(path)?;
        let mut missing = Vec::new();
        let mut next = Some(path.clone());
        while let Some(directory) = next {
            match self.get(&directory) {
                Some(Inode { kind: Kind::Directory, .. }) => break,
                Some(_) => return Err(EditError::NotADirectory { path, parent: directory }),
                None => next = directory.parent(),
            }
            missing.push(directory);
        }
        for directory in missing {
            let metadata = Metadata { mode: 0o755, ..Metadata::root(mtime) };
            self.insert(directory, Inode { metadata, kind: Kind::Directory });
        }
        Ok(path)
    }

    /// Puts a file, link or device at `path`, in place of what is there, and makes the directories above.
    /// A regular file goes where a symbolic link at its place leads. A directory is not replaced by
    /// anything but a directory, whose metadata it then takes.
    pub fn put(&mut self, path: &TreePath, inode: Inode) -> Result<TreePath, EditError> {
        let mtime = u64::try_from(inode.metadata.mtime).unwrap_or_default();
        let place = match inode.kind {
            Kind::File(_) | Kind::Directory => self.resolve(path)?,
            _ => self.resolve_parent(path)?,
        };
        if let Some(parent) = place.parent() {
            self.make_directory(&parent, mtime)?;
        }
        let is_directory = matches!(self.get(&place), Some(Inode { kind: Kind::Directory, .. }));
        if is_directory && !matches!(inode.kind, Kind::Directory) {
            return Err(EditError::IsADirectory(place));
        }
        self.insert(place.clone(), inode);
        Ok(place)
    }

    /// Replaces the bytes of a file and keeps its owner and mode; a new file belongs to root, with `mode`.
    pub fn write_text(
        &mut self,
        path: &TreePath,
        text: &str,
        mode: u32,
        mtime: u64,
    ) -> Result<(), EditError> {
        let place = self.resolve(path)?;
        let mut metadata = match self.get(&place) {
            Some(Inode { kind: Kind::File(_), metadata }) => metadata.clone(),
            _ => Metadata { mode, ..Metadata::root(mtime) },
        };
        metadata.mtime = i64::try_from(mtime).unwrap_or(i64::MAX);
        metadata.mtime_nsec = 0;
        self.put(path, Inode { metadata, kind: Kind::File(Content::bytes(text.as_bytes())) })?;
        Ok(())
    }

    /// Makes the symbolic link `path` that points to `target`.
    pub fn put_link(&mut self, path: &TreePath, target: &str, mtime: u64) -> Result<(), EditError> {
        let metadata = Metadata { mode: 0o777, ..Metadata::root(mtime) };
        self.put(path, Inode { metadata, kind: Kind::Symlink(target.as_bytes().to_vec()) })?;
        Ok(())
    }

    /// Removes a name and all that lies below it. Other names of the same inode stay.
    pub fn remove(&mut self, path: &TreePath) {
        let below: Vec<TreePath> = self.below(path).map(|(path, _)| path.clone()).collect();
        for name in below.iter().chain([path]) {
            self.names.remove(name);
        }
    }

    /// Removes every path that a pattern matches, with all that lies below; returns how many names went.
    pub fn exclude(&mut self, patterns: &[Glob]) -> usize {
        let matched = |path: &TreePath| patterns.iter().any(|glob| glob.matches(path.as_bytes()));
        let gone: Vec<TreePath> =
            self.names.keys().filter(|path| !path.is_root() && matched(path)).cloned().collect();
        let before = self.names.len();
        gone.iter().for_each(|path| self.remove(path));
        before - self.names.len()
    }

    /// What lies below `path`, as a tree of its own.
    pub fn subtree(&self, path: &TreePath) -> Result<Self, EditError> {
        let mut subtree = Self::default();
        subtree.graft(self, path, &TreePath::ROOT)?;
        Ok(subtree)
    }

    /// Gives everything to root.
    pub fn own_by_root(&mut self) {
        for inode in &mut self.inodes {
            (inode.metadata.uid, inode.metadata.gid) = (0, 0);
        }
    }

    /// Copies everything below `from` of another tree to below `to` of this one.
    pub fn graft(&mut self, other: &Self, from: &TreePath, to: &TreePath) -> Result<(), EditError> {
        let mut copied = std::collections::HashMap::new();
        for (path, inode) in other.below(from) {
            let Some(relative) = path.below(from) else { continue };
            let target = to.join(relative)?;
            let id = other.names.get(path);
            if let Some(first) = id.and_then(|id| copied.get(id)) {
                let place = self.resolve_parent(&target)?;
                self.link(place, first);
                continue;
            }
            let is_directory =
                |inode: Option<&Inode>| matches!(inode, Some(Inode { kind: Kind::Directory, .. }));
            let place = self.resolve(&target)?;
            let place = if is_directory(Some(inode)) && is_directory(self.get(&place)) {
                // An existing directory keeps its owner: an overlay of three files must not change /.
                place
            } else {
                self.put(&target, inode.clone())?
            };
            if let Some(id) = id.filter(|_| !is_directory(Some(inode))) {
                copied.insert(*id, place);
            }
        }
        Ok(())
    }
}
