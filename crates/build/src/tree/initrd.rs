//! A tree as the initrd builder sees it.

use std::io;

use super::{Inode, Kind, Tree, TreePath};
use crate::initrd;

impl initrd::Tree for Tree {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.resolve(&parse(path)?).map_err(io::Error::other)?;
        match self.get(&path) {
            Some(Inode { kind: Kind::File(content), .. }) => content.read(initrd::MAX_FILE).map(Some),
            _ => Ok(None),
        }
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let path = self.resolve(&parse(path)?).map_err(io::Error::other)?;
        let name = |(below, _): (&TreePath, _)| {
            let name = below.below(&path)?;
            // A name that is not UTF-8 can be named neither by a module nor by this program.
            (!name.contains(&b'/')).then(|| String::from_utf8(name.to_vec()).ok()).flatten()
        };
        Ok(self.below(&path).filter_map(name).collect())
    }
}

fn parse(path: &str) -> io::Result<TreePath> {
    path.parse().map_err(io::Error::other)
}
