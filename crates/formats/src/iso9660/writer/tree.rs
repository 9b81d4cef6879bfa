//! The entries of a plan as directories.

use std::collections::BTreeMap;

use super::{Content, NewEntry, WriteError};

/// ISO 9660 allows eight levels, the root counted (ECMA-119, 6.8.2.1).
const MAX_LEVELS: usize = 8;

/// Bytes of a name: Linux' limit.
const MAX_NAME: usize = 255;

/// Bytes of a symbolic link's target: what fits into one sector of continuations with all else.
const MAX_TARGET: usize = 1000;

/// What a name stands for: the number of a directory of the tree, or of an entry of the plan.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    Directory(usize),
    Entry(usize),
}

/// A directory to be.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub parent: usize,
    pub children: BTreeMap<String, Node>,
}

/// All directories, the root first, parents before children.
#[derive(Debug)]
pub(super) struct Tree {
    pub directories: Vec<Directory>,
    /// The target of each entry of the plan that is a link.
    pub targets: Vec<Option<String>>,
}

impl Tree {
    pub fn new(entries: &[NewEntry]) -> Result<Self, WriteError> {
        let target = |entry: &NewEntry| match &entry.content {
            Content::Symlink(target) => Some(target.clone()),
            _ => None,
        };
        let targets = entries.iter().map(target).collect();
        let mut tree = Self { directories: vec![Directory::default()], targets };
        for (number, entry) in entries.iter().enumerate() {
            check(entry)?;
            tree.insert(number, &entry.path)?;
        }
        Ok(tree)
    }

    fn insert(&mut self, number: usize, path: &str) -> Result<(), WriteError> {
        let twice = || WriteError::Twice(path.to_owned());
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = 0;
        for part in parents.split('/').filter(|part| !part.is_empty()) {
            let fresh = self.directories.len();
            let Some(directory) = self.directories.get_mut(at) else { return Err(twice()) };
            match *directory.children.entry(part.to_owned()).or_insert(Node::Directory(fresh)) {
                Node::Entry(_) => return Err(twice()),
                Node::Directory(inner) => {
                    if inner == fresh {
                        self.directories.push(Directory { parent: at, ..Directory::default() });
                    }
                    at = inner;
                }
            }
        }
        let children = self.directories.get_mut(at).map(|directory| &mut directory.children);
        match children.and_then(|children| children.insert(name.to_owned(), Node::Entry(number))) {
            None => Ok(()),
            Some(_) => Err(twice()),
        }
    }
}

fn check(entry: &NewEntry) -> Result<(), WriteError> {
    let refuse = |why| Err(WriteError::Path(entry.path.clone(), why));
    let parts = || entry.path.split('/');
    if parts().any(|part| part.is_empty() || part == "." || part == ".." || part.contains('\0')) {
        return refuse("a part is empty, . or .., or holds NUL");
    }
    if parts().any(|part| part.len() > MAX_NAME) {
        return refuse("a part has more than 255 bytes");
    }
    if parts().count() > MAX_LEVELS {
        return refuse("it is deeper than the eight levels of ISO 9660");
    }
    match &entry.content {
        Content::Symlink(target) if target.is_empty() || target.len() > MAX_TARGET => {
            refuse("the target of the link is empty or has more than 1000 bytes")
        }
        _ => Ok(()),
    }
}
