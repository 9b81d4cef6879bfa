//! From a path to a file, symbolic links followed within the image.

use std::io;

/// The most symbolic links that are followed on the way to a file, as in Linux.
const MAX_LINKS: usize = 40;

/// The most directories that are looked through on the way to a file. Real paths have fewer than twenty steps; links
/// can make thousands of them, and each may lead through a directory of the largest size.
const MAX_STEPS: usize = 128;

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
    ///
    /// # Errors
    /// What reading says; a way of more than [`MAX_STEPS`].
    fn find(&self, path: &str) -> io::Result<Option<Self::Entry>> {
        let steps = |path: &str| path.split('/').rev().map(str::to_owned).collect::<Vec<_>>();
        let (mut left, mut at, mut links, mut taken) = (steps(path), Vec::new(), 0, 0);
        while let Some(step) = left.pop() {
            match step.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop();
                    continue;
                }
                _ => {}
            }
            taken += 1;
            if taken > MAX_STEPS {
                let what = format!("more than {MAX_STEPS} steps on the way to a file");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Directories without end, in which `again` is a link to a thousand of them and `loop` one to itself.
    struct Endless;

    impl Tree for Endless {
        type Entry = String;

        fn root(&self) -> io::Result<String> {
            Ok(String::new())
        }

        fn child(&self, directory: &String, name: &str) -> io::Result<Option<String>> {
            Ok((name != "gone").then(|| format!("{directory}/{name}")))
        }

        fn target(&self, entry: &String) -> io::Result<Option<String>> {
            Ok(match entry.rsplit('/').next() {
                Some("again") => Some("x/".repeat(1000)),
                Some("loop") => Some("loop".to_owned()),
                Some("up") => Some("../../../b".to_owned()),
                Some("top") => Some("/c".to_owned()),
                _ => None,
            })
        }
    }

    #[test]
    fn links_are_followed_within_the_image_and_not_for_ever() {
        let find = |path: &str| Endless.find(path).unwrap();
        assert_eq!(find("a/./up/d").as_deref(), Some("/b/d"));
        assert_eq!(find("a/top/../e").as_deref(), Some("/e"));
        assert_eq!(find("a/gone/b"), None);
        assert_eq!(find("loop"), None);
        assert_eq!(find("").as_deref(), Some(""));
        let error = Endless.find("again").unwrap_err();
        assert_eq!(error.to_string(), "more than 128 steps on the way to a file");
    }
}
