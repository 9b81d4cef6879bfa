//! Files by path: in a file system, an archive, or beside the file that is inspected.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bootwright_formats::FileBytes;

use crate::source::{Cache, Source};

/// Something that holds files. Paths have `/` between their steps and none in front.
pub trait Files: Send + Sync {
    /// What is in a directory (`""` is the top); `None` when there is no such directory.
    fn list(&self, directory: &str) -> io::Result<Option<Vec<Entry>>>;

    /// The content of a regular file; `None` when there is no such file.
    fn open(&self, path: &str) -> io::Result<Option<Source>>;
}

/// A file or directory in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is a directory.
    pub directory: bool,
    /// Whether it is a symbolic link: to what, opening and listing it tell.
    pub link: bool,
    /// Bytes of content.
    pub size: u64,
}

/// The directory of the inspected file: its manifest names what lies beside it.
pub struct HostDirectory(pub PathBuf);

impl HostDirectory {
    /// The directory that `file` is in.
    pub fn of(file: &Path) -> Self {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self(parent.unwrap_or(Path::new(".")).to_owned())
    }
}

impl Files for HostDirectory {
    /// Nothing: what lies beside the file is looked at when something names it.
    fn list(&self, _: &str) -> io::Result<Option<Vec<Entry>>> {
        Ok(None)
    }

    /// Only files of the directory itself: a hostile file must not lead elsewhere.
    fn open(&self, path: &str) -> io::Result<Option<Source>> {
        let mut steps = Path::new(path).components();
        let (Some(Component::Normal(name)), None) = (steps.next(), steps.next()) else { return Ok(None) };
        let path = self.0.join(name);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let bytes = FileBytes::new(std::fs::File::open(path)?)?;
        Ok(Some(Arc::new(Cache::new(bytes))))
    }
}
