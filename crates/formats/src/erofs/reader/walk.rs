//! Along paths, and through all of them.

use std::collections::HashSet;

use super::error::{Error, Result};
use super::{Entry, Erofs, Inode, Kind};

/// The deepest directory that [`Erofs::walk`] enters: a path has at most 4096 bytes.
const MAX_DEPTH: usize = 2048;
/// The most entries that [`Erofs::walk`] visits: directories may share their blocks, so that a small image
/// can have any number of them. A Debian root of 1 GiB has 50 000.
const MAX_ENTRIES: usize = 8 << 20;
/// The most symbolic links that are followed on the way to a file: Linux's own limit (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

impl Erofs {
    /// The inode at `path`, whose parts `/` separates, with symbolic links followed within the image; `None`
    /// when there is none.
    pub fn find(&self, path: &[u8]) -> Result<Option<Inode>> {
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect()
        };
        let mut left = parts(path);
        let mut above = vec![self.root()?];
        let mut links = 0;
        while let Some(part) = left.pop() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    above.truncate((above.len() - 1).max(1));
                    continue;
                }
                _ => {}
            }
            let Some(found) = self.child(above.last(), &part)? else { return Ok(None) };
            if found.kind != Kind::Symlink {
                above.push(found);
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Ok(None);
            }
            let target = self.target(&found)?;
            if target.starts_with(b"/") {
                above.truncate(1);
            }
            left.extend(parts(&target));
        }
        Ok(above.pop())
    }

    fn child(&self, directory: Option<&Inode>, name: &[u8]) -> Result<Option<Inode>> {
        let Some(directory) = directory.filter(|inode| inode.kind == Kind::Directory) else {
            return Ok(None);
        };
        let found = self.entries(directory)?.into_iter().find(|entry| entry.name == name);
        found.map(|entry| self.inode(entry.nid)).transpose()
    }

    /// Hands every path (`usr/bin`, the root as the empty one) with its inode to `visit`, parents first.
    ///
    /// # Errors
    /// The first thing that is damaged, or [`Error::Endless`].
    pub fn walk(&self, visit: &mut dyn FnMut(&[u8], &Inode)) -> Result<()> {
        let root = self.root()?;
        visit(b"", &root);
        let mut seen = HashSet::from([root.nid]);
        let mut open = vec![(Vec::new(), root, 0)];
        let mut entries = 0;
        while let Some((path, directory, depth)) = open.pop() {
            let endless = || Error::Endless(String::from_utf8_lossy(&path).into_owned());
            let mut inner = Vec::new();
            for Entry { name, nid } in self.entries(&directory)? {
                entries += 1;
                let inode = self.inode(nid)?;
                let path = if path.is_empty() { name } else { [&path, b"/".as_slice(), &name].concat() };
                visit(&path, &inode);
                if inode.kind == Kind::Directory {
                    if depth >= MAX_DEPTH || !seen.insert(nid) {
                        return Err(endless());
                    }
                    inner.push((path, inode, depth + 1));
                }
            }
            if entries > MAX_ENTRIES {
                return Err(endless());
            }
            open.extend(inner.into_iter().rev());
        }
        Ok(())
    }
}
