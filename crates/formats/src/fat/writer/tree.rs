//! The files of a plan as directories.

use std::collections::{BTreeMap, BTreeSet};

use super::{NewFile, WriteError};
use crate::Shared;
use crate::fat::directory::ENTRY;
use crate::fat::names::{self, PART, Short};

/// What a name stands for.
pub(super) enum Node {
    Directory(Directory),
    File(Shared),
}

struct Child {
    name: String,
    node: Node,
    short: Short,
    /// Whether the short name says all of it.
    exact: bool,
}

/// A directory to be; sorted by its names in lower case, which have to differ.
#[derive(Default)]
pub(super) struct Directory(BTreeMap<String, Child>);

impl Directory {
    /// Puts a file at its path.
    pub fn insert(&mut self, file: &NewFile) -> Result<(), WriteError> {
        let mut parts: Vec<&str> = file.path.split('/').collect();
        if !parts.iter().all(|part| names::is_lawful(part)) {
            return Err(WriteError::Path(file.path.clone()));
        }
        let twice = || WriteError::Twice(file.path.clone());
        let Some(last) = parts.pop() else { return Err(WriteError::Path(file.path.clone())) };
        let mut directory = self;
        for part in parts {
            let child = directory.0.entry(part.to_lowercase()).or_insert_with(|| Child {
                name: part.to_owned(),
                node: Node::Directory(Self::default()),
                short: [b' '; 11],
                exact: false,
            });
            directory = match &mut child.node {
                Node::Directory(inner) => inner,
                Node::File(_) => return Err(twice()),
            };
        }
        let node = Node::File(Shared::clone(&file.content));
        let child = Child { name: last.to_owned(), node, short: [b' '; 11], exact: false };
        match directory.0.insert(last.to_lowercase(), child) {
            None => Ok(()),
            Some(_) => Err(twice()),
        }
    }

    /// Gives everything its short name: first those that are their own.
    pub fn shorten(&mut self) {
        let mut taken = BTreeSet::new();
        let is_own = |name: &str| name == name.to_uppercase();
        for own in [true, false] {
            for child in self.0.values_mut().filter(|child| is_own(&child.name) == own) {
                // A million names that begin alike would not fit into a directory anyway.
                (child.short, child.exact) =
                    names::shorten(&child.name, &mut taken).unwrap_or(([b'_'; 11], false));
            }
        }
        for child in self.0.values_mut() {
            if let Node::Directory(inner) = &mut child.node {
                inner.shorten();
            }
        }
    }

    /// Short name, whether it says all, name, and what is there.
    pub fn children(&self) -> impl Iterator<Item = (&Short, bool, &str, &Node)> {
        self.0.values().map(|child| (&child.short, child.exact, child.name.as_str(), &child.node))
    }

    /// Bytes of its entries behind `head` others.
    pub fn bytes_with(&self, head: usize) -> u64 {
        let long = |name: &str| name.encode_utf16().count().div_ceil(PART);
        let count = |(_, exact, name, _): (&Short, bool, &str, &Node)| 1 + if exact { 0 } else { long(name) };
        (head + ENTRY * self.children().map(count).sum::<usize>()) as u64
    }

    /// Clusters of everything in it, its own not counted.
    pub fn clusters_within(&self, cluster: u64) -> u64 {
        let of = |node: &Node| match node {
            Node::File(content) => content.size().div_ceil(cluster),
            Node::Directory(inner) => {
                inner.bytes_with(2 * ENTRY).div_ceil(cluster) + inner.clusters_within(cluster)
            }
        };
        self.children().map(|(.., node)| of(node)).sum()
    }
}
