//! The files of a torrent, with paths that stay where they are put.
//!
//! A path comes from whoever made the torrent. It is a list of components (BEP 3), and each may hold any text:
//! `..`, a slash, an absolute path. Nothing is mended here: a torrent with a path that is not plain is refused,
//! and the path is named.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use super::{Content, FileKind, Info, PathInTorrent};

/// The longest component, in bytes: NAME_MAX of Linux.
const LONGEST: usize = 255;

/// Directories on the way to a file: more is of no use, and the whole path is to stay below PATH_MAX.
const DEEPEST: usize = 32;

/// A file of a torrent, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// Its path below the directory of the torrent; none when the bytes are padding (BEP 47), which is zeros and
    /// nobody's file.
    pub path: Option<PathBuf>,
    /// Its bytes, of the files laid end to end.
    pub range: Range<u64>,
}

/// A path that is not fit for a directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The name of the torrent, or a component of a path.
    #[error("the torrent names {0:?}, which is no name for a file here: {1}")]
    Name(String, &'static str),
    /// Two files at one place, or a file where another wants a directory.
    #[error("the torrent has two files at {0:?}")]
    Twice(String),
    /// A symbolic link (BEP 47).
    #[error("the torrent has a symbolic link, {0:?}: not supported")]
    Symlink(String),
}

impl Info {
    /// The name, when it stays in its directory: of the file, or of the directory of several.
    ///
    /// # Errors
    /// [`PlaceError::Name`].
    pub fn place(&self) -> Result<&str, PlaceError> {
        let name = component(&self.name)?;
        match name.starts_with('.') {
            true => Err(PlaceError::Name(name.to_owned(), "it would be hidden")),
            false => Ok(name),
        }
    }

    /// Several files, with their places below the directory of the torrent; `None` for a single file.
    ///
    /// # Errors
    /// [`PlaceError`] for the first that has none.
    pub fn placed(&self) -> Result<Option<Vec<PlacedFile>>, PlaceError> {
        let Content::Files(files) = &self.content else { return Ok(None) };
        let mut taken = Taken::default();
        let mut placed = Vec::with_capacity(files.len());
        let mut at = 0;
        for file in files {
            let range = at..at + file.size;
            at = range.end;
            let path = match file.kind {
                FileKind::Padding => None,
                FileKind::Symlink => return Err(PlaceError::Symlink(file.path.to_string())),
                FileKind::Regular => Some(taken.take(&file.path)?),
            };
            placed.push(PlacedFile { path, range });
        }
        Ok(Some(placed))
    }
}

/// The paths so far.
#[derive(Default)]
struct Taken {
    files: BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
}

impl Taken {
    fn take(&mut self, path: &PathInTorrent) -> Result<PathBuf, PlaceError> {
        if path.0.len() > DEEPEST {
            return Err(PlaceError::Name(path.to_string(), "too many directories"));
        }
        let parts = path.0.iter().map(|part| component(part)).collect::<Result<Vec<_>, _>>()?;
        let whole: PathBuf = parts.iter().collect();
        let twice = || PlaceError::Twice(path.to_string());
        if self.directories.contains(&whole) || !self.files.insert(whole.clone()) {
            return Err(twice());
        }
        for directory in whole.ancestors().skip(1).filter(|directory| directory.components().next().is_some())
        {
            if self.files.contains(directory) {
                return Err(twice());
            }
            self.directories.insert(directory.to_owned());
        }
        Ok(whole)
    }
}

/// One component of a path, when it is one and no more.
fn component(name: &str) -> Result<&str, PlaceError> {
    let why = match name {
        "" => "it is empty",
        "." | ".." => "it leads elsewhere",
        _ if name.contains('/') => "it has a slash",
        // They would write to the terminal of whoever lists the directory.
        _ if name.contains(char::is_control) => "it has control characters",
        _ if name.len() > LONGEST => "it is longer than 255 bytes",
        _ => return Ok(name),
    };
    Err(PlaceError::Name(name.chars().take(LONGEST).collect(), why))
}

#[cfg(test)]
mod tests {
    use super::super::FileInTorrent;
    use super::*;

    fn torrent(files: &[(&[&str], u64, FileKind)]) -> Info {
        let file = |(path, size, kind): &(&[&str], u64, FileKind)| FileInTorrent {
            path: PathInTorrent(path.iter().map(|part| (*part).to_owned()).collect()),
            size: *size,
            kind: *kind,
        };
        let content = Content::Files(files.iter().map(file).collect());
        let mut info = named("n");
        info.content = content;
        info
    }

    fn named(name: &str) -> Info {
        let single = b"d6:lengthi0e4:name1:n12:piece lengthi16e6:pieces0:e";
        let mut info = Info::from_bytes(single).unwrap();
        info.name = name.to_owned();
        info
    }

    fn refused(path: &[&str]) -> String {
        torrent(&[(path, 1, FileKind::Regular)]).placed().unwrap_err().to_string()
    }

    #[test]
    fn files_lie_end_to_end_and_padding_is_nobodys() {
        let torrent = torrent(&[
            (&["a", "b"], 3, FileKind::Regular),
            (&[".pad", "13"], 13, FileKind::Padding),
            (&[".hidden"], 0, FileKind::Regular),
            (&["a", "c"], 4, FileKind::Regular),
        ]);
        let placed = torrent.placed().unwrap().unwrap();
        let seen = placed.iter().map(|f| (f.path.as_deref().and_then(|p| p.to_str()), f.range.clone()));
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [(Some("a/b"), 0..3), (None, 3..16), (Some(".hidden"), 16..16), (Some("a/c"), 16..20)]
        );
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused_by_its_name() {
        for path in
            [&["..", "x"][..], &["a", "..", "b"], &["/etc/passwd"], &["a/b"], &[""], &["."], &["a\0b"]]
        {
            assert!(refused(path).contains("no name for a file"), "{path:?}");
        }
        assert!(refused(&["a\x1b[2J"]).contains("control characters"));
        assert!(refused(&[&"a".repeat(256)]).contains("255"));
        assert!(refused(&["a"; 33]).contains("directories"));
        for name in ["..", "", "a/b", ".ssh", "/"] {
            assert!(named(name).place().is_err(), "{name:?}");
        }
        assert_eq!(named("Debian 13 (net)").place(), Ok("Debian 13 (net)"));
    }

    #[test]
    fn two_files_do_not_share_a_place_and_links_are_refused() {
        let (a, ab): (&[&str], &[&str]) = (&["a"], &["a", "b"]);
        for pair in [[a, a], [a, ab], [ab, a]] {
            let files = pair.map(|path| (path, 1, FileKind::Regular));
            assert!(matches!(torrent(&files).placed(), Err(PlaceError::Twice(_))), "{pair:?}");
        }
        let link = torrent(&[(a, 0, FileKind::Symlink)]);
        assert!(matches!(link.placed(), Err(PlaceError::Symlink(_))));
    }
}
