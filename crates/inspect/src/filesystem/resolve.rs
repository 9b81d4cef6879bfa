//! From a path to a file, symbolic links followed within the image.

use std::io;

/// The most symbolic links that are followed on the way to a file, as in Linux.
const MAX_LINKS: usize = 40;

/// A file system whose directories can be gone through name by name.
pub(super) trait Tree {
    /// A file, directory or link.
    type Entry: Clone;

    /// The directory at the top.
    fn root(&self) -> io::Result<Self::Entry>;

    /// What has that name in a directory; `None` for nothing, and in what is no directory.
    fn child(&self, directory: &Self::Entry, name: &str) -> io::Result<Option<Self::Entry>>;

    /// Where a symbolic link leads; `None` for anything else.
    fn target(&self, entry: &Self::Entry) -> io::Result<Option<String>>;

    /// What a path leads to. Links cannot lead out of the image, and a circle of them leads nowhere.
    fn find(&self, path: &str) -> io::Result<Option<Self::Entry>> {
        let steps = |path: &str| path.split('/').rev().map(str::to_owned).collect::<Vec<_>>();
        let (mut left, mut at, mut links) = (steps(path), Vec::new(), 0);
        while let Some(step) = left.pop() {
            match step.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop();
                    continue;
                }
                _ => {}
            }
            let directory = at.last().cloned().map_or_else(|| self.root(), Ok)?;
            let Some(entry) = self.child(&directory, &step)? else { return Ok(None) };
            match self.target(&entry)? {
                None => at.push(entry),
                Some(_) if links == MAX_LINKS => return Ok(None),
                Some(target) => {
                    links += 1;
                    if target.starts_with('/') {
                        at.clear();
                    }
                    left.extend(steps(&target));
                }
            }
        }
        at.pop().map_or_else(|| self.root(), Ok).map(Some)
    }
}
