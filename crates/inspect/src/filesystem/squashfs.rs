//! The files of a squashfs, read by [`bootwright_formats::squashfs`].

use std::io;
use std::sync::Arc;

use bootwright_formats::squashfs::{self, Error, Inode, Kind, Squashfs};

use super::resolve::Tree;
use crate::bytes::printable;
use crate::files::{Entry, Files};
use crate::node::{Node, Severity};
use crate::recognise::Found;
use crate::source::Source;

const REMEDY: &str = "copy it again, whole, or make it again";

/// What the superblock said, and the files, if they can be read.
pub(crate) fn within(mut node: Node, source: &Source) -> Found {
    match Squashfs::open(Arc::clone(source)).and_then(|squashfs| squashfs.root().map(|_| squashfs)) {
        Ok(squashfs) => super::root(node, SquashfsFiles(squashfs), REMEDY),
        Err(Error::Unsupported { what, .. }) => {
            let what = format!("its files are not read: {what} is not supported here");
            node.problem(Severity::Note, None, what, "mount it with a kernel that reads it");
            node.into()
        }
        Err(error) => {
            node.problem(Severity::Error, None, format!("its files cannot be read: {error}"), REMEDY);
            node.into()
        }
    }
}

struct SquashfsFiles(Squashfs);

impl Tree for SquashfsFiles {
    type Entry = Inode;

    fn root(&self) -> io::Result<Inode> {
        Ok(self.0.root()?)
    }

    fn child(&self, directory: &Inode, name: &str) -> io::Result<Option<Inode>> {
        if directory.kind != Kind::Directory {
            return Ok(None);
        }
        Ok(self.0.lookup(directory, name.as_bytes())?)
    }

    fn target(&self, entry: &Inode) -> io::Result<Option<String>> {
        if entry.kind != Kind::Symlink {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&self.0.target(entry)?).into_owned()))
    }
}

impl Files for SquashfsFiles {
    fn list(&self, directory: &str) -> io::Result<Option<Vec<Entry>>> {
        let Some(directory) = self.find(directory)?.filter(|inode| inode.kind == Kind::Directory) else {
            return Ok(None);
        };
        let entry = |entry: squashfs::Entry| {
            // One inode that is damaged does not hide the other names; who opens it is told.
            let inode = self.0.inode(entry.inode).ok();
            let is = |kind| inode.as_ref().is_some_and(|inode| inode.kind == kind);
            Entry {
                name: printable(&entry.name),
                directory: is(Kind::Directory),
                link: is(Kind::Symlink),
                size: inode.as_ref().map_or(0, |inode| inode.size),
            }
        };
        Ok(Some(self.0.entries(&directory)?.into_iter().map(entry).collect()))
    }

    fn open(&self, path: &str) -> io::Result<Option<Source>> {
        let Some(inode) = self.find(path)?.filter(|inode| inode.kind == Kind::File) else { return Ok(None) };
        Ok(Some(Arc::new(self.0.file(&inode)?)))
    }
}
