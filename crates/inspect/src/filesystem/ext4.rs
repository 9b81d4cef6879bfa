//! The files of ext2, ext3 and ext4, read by [`bootwright_formats::ext4`].

use std::io;
use std::sync::Arc;

use bootwright_formats::ext4::{self, Ext4, Ext4Error, Inode, Kind};

use super::resolve::Tree;
use crate::bytes::printable;
use crate::files::{Entry, Files};
use crate::node::{Node, Severity};
use crate::recognise::Found;
use crate::source::Source;

const REMEDY: &str = "run e2fsck on it, or copy it again, whole";

/// What the superblock said, and the files, if they can be read.
pub(crate) fn within(mut node: Node, source: &Source) -> Found {
    let opened = Ext4::open(Arc::clone(source)).and_then(|ext4| ext4.root().map(|_| ext4));
    match opened {
        Ok(ext4) => return super::root(node, Ext4Files(ext4), REMEDY),
        Err(Ext4Error::Broken { offset, what }) => node.problem(Severity::Error, offset, what, REMEDY),
        Err(Ext4Error::Read { offset, source }) => {
            let what = format!("its files cannot be read: {source}");
            node.problem(Severity::Error, offset, what, REMEDY);
        }
        Err(Ext4Error::Unsupported(what)) => {
            let what = format!("its files are not read: {what} is not supported here");
            node.problem(Severity::Note, None, what, "mount it with a kernel that has this feature");
        }
        Err(Ext4Error::Absent) => {}
    }
    node.into()
}

struct Ext4Files(Ext4);

impl Tree for Ext4Files {
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

impl Files for Ext4Files {
    fn list(&self, directory: &str) -> io::Result<Option<Vec<Entry>>> {
        let Some(directory) = self.find(directory)?.filter(|inode| inode.kind == Kind::Directory) else {
            return Ok(None);
        };
        let entry = |entry: ext4::Entry| {
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
