//! The files of an EROFS, read by [`bootwright_formats::erofs::reader`].

use std::io;
use std::sync::Arc;

use bootwright_formats::erofs::reader::{Erofs, Error, Inode, Kind};

use crate::bytes::printable;
use crate::files::{self, Files};
use crate::node::{Node, Severity};
use crate::recognise::Found;
use crate::source::Source;

const REMEDY: &str = "copy it again, whole, or make it again";

/// What the superblock said, and the files, if they can be read.
pub(crate) fn within(mut node: Node, source: &Source) -> Found {
    let opened = Erofs::open(Arc::clone(source)).and_then(|erofs| erofs.root().map(|_| erofs));
    match opened {
        Ok(erofs) => super::root(node, ErofsFiles(erofs), REMEDY),
        Err(error @ Error::Unsupported { .. }) => {
            let what = format!("its files are not read: {error}");
            node.problem(Severity::Warning, None, what, "mount it with a kernel that has this feature");
            node.into()
        }
        Err(error) => {
            node.problem(Severity::Error, None, format!("its files cannot be read: {error}"), REMEDY);
            node.into()
        }
    }
}

struct ErofsFiles(Erofs);

impl ErofsFiles {
    /// With symbolic links followed within the image.
    fn find(&self, path: &str) -> io::Result<Option<Inode>> {
        Ok(self.0.find(path.as_bytes())?)
    }
}

impl Files for ErofsFiles {
    fn list(&self, directory: &str) -> io::Result<Option<Vec<files::Entry>>> {
        let Some(directory) = self.find(directory)?.filter(|inode| inode.kind == Kind::Directory) else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        for entry in self.0.entries(&directory)? {
            let inode = self.0.inode(entry.nid)?;
            entries.push(files::Entry {
                name: printable(&entry.name),
                directory: inode.kind == Kind::Directory,
                link: inode.kind == Kind::Symlink,
                size: inode.size,
            });
        }
        Ok(Some(entries))
    }

    fn open(&self, path: &str) -> io::Result<Option<Source>> {
        let Some(inode) = self.find(path)?.filter(|inode| inode.kind == Kind::File) else { return Ok(None) };
        Ok(Some(Arc::new(self.0.file(&inode)?)))
    }
}
