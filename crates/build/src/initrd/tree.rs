//! Where modules and firmware come from: any tree of files, unpacked on disk or not.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The largest file that is read from a tree, as it lies there: it bounds memory against a root that
/// names a device image as firmware.
pub const MAX_FILE: u64 = 512 << 20;

/// A root file system as the initrd builder sees it. Paths are relative to its `/`, without a leading
/// slash: `lib/modules/6.12.0/modules.dep`. Symbolic links are followed, and never lead out of the tree.
pub trait Tree: Sync {
    /// The bytes of a regular file; `None` where there is none.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// The names in a directory, sorted; none where there is no such directory.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
}

/// A [`Tree`] that lies on disk.
#[derive(Debug)]
pub struct Directory {
    root: OwnedFd,
}

impl Directory {
    /// The tree whose `/` is `root`.
    pub fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(root, flags, Mode::empty())? })
    }

    /// `None` where the path leads nowhere.
    fn open_inside(&self, path: &str, flags: OFlags) -> io::Result<Option<OwnedFd>> {
        let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = if path.is_empty() { "." } else { path };
        match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            Ok(file) => Ok(Some(file)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Tree for Directory {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.open_inside(path, OFlags::empty())? else { return Ok(None) };
        let file = File::from(file);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(MAX_FILE)).unwrap_or(0));
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            let text = format!("it has more than {MAX_FILE} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(Some(bytes))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let Some(directory) = self.open_inside(path, OFlags::DIRECTORY)? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&directory)? {
            // A name that is not UTF-8 can be named neither by a module nor by this program.
            if let Ok(name) = entry?.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A tree in memory, for tests of what stands on trees.
    #[derive(Default)]
    pub struct Memory(pub BTreeMap<String, Vec<u8>>);

    impl Memory {
        pub fn with(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
            self.0.insert(path.to_owned(), bytes.as_ref().to_vec());
            self
        }
    }

    impl Tree for Memory {
        fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
            Ok(self.0.get(path).cloned())
        }

        fn list(&self, path: &str) -> io::Result<Vec<String>> {
            let inside =
                |name: &String| Some(name.strip_prefix(path)?.strip_prefix('/')?.split('/').next()?.into());
            let mut names: Vec<String> = self.0.keys().filter_map(inside).collect();
            names.dedup();
            Ok(names)
        }
    }

    #[test]
    fn an_absolute_link_stays_inside_the_tree() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        std::fs::write(root.path().join("usr/lib/file"), b"inside").unwrap();
        std::os::unix::fs::symlink("/usr/lib", root.path().join("lib")).unwrap();
        std::os::unix::fs::symlink("../../../../etc/passwd", root.path().join("escape")).unwrap();
        let tree = Directory::open(root.path()).unwrap();
        assert_eq!(tree.read("lib/file").unwrap().unwrap(), b"inside");
        assert_eq!(tree.list("lib").unwrap(), ["file"]);
        assert_eq!(tree.read("escape").unwrap(), None);
        assert_eq!(tree.read("usr").unwrap(), None);
        assert!(tree.list("nowhere").unwrap().is_empty());
    }
}
