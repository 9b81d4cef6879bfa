//! The files of an initrd before they become an archive: each place once, parents made up.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bootwright_formats::cpio::{Attributes, Node, Writer};
use bootwright_image::{Pin, pin};

use super::contents::Why;
use super::error::Error;

/// A file for the initrd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// Absolute path in the initrd.
    pub place: String,
    /// What lies there.
    pub content: Content,
    /// Why it is in.
    pub why: Why,
}

/// What lies at a place of an initrd. All of it belongs to root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file with these permissions.
    File(Vec<u8>, u16),
    /// A directory with these permissions.
    Directory(u16),
    /// A symbolic link to that target.
    Symlink(String),
}

impl Addition {
    /// The build's [`Pin`], at its place.
    pub fn pin(pin: &Pin) -> Result<Self, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(pin)?;
        bytes.push(b'\n');
        let why = Why::part("ties this initrd to its root");
        Ok(Self { place: pin::PATH.to_owned(), content: Content::File(bytes, 0o644), why })
    }

    /// What lies at `source` on disk: a file, a link, or a directory with all that is in it.
    pub fn read(source: &Path, place: &str) -> io::Result<Vec<Self>> {
        let mut additions = Vec::new();
        for entry in walkdir::WalkDir::new(source).sort_by_file_name() {
            let entry = entry?;
            let below = entry.path().strip_prefix(source).unwrap_or(entry.path());
            let below = utf8(below)?;
            let place = if below.is_empty() { place.to_owned() } else { format!("{place}/{below}") };
            let why = Why::Requested { reason: format!("added from {}", entry.path().display()) };
            // The named file itself may be a link to what is meant.
            let meant = if below.is_empty() { fs::metadata(entry.path())? } else { entry.metadata()? };
            let permissions = (meant.permissions().mode() & 0o7777) as u16;
            let content = if meant.is_dir() {
                Content::Directory(permissions)
            } else if meant.is_symlink() {
                Content::Symlink(utf8(&fs::read_link(entry.path())?)?)
            } else if meant.is_file() {
                Content::File(fs::read(entry.path())?, permissions)
            } else {
                let text = format!("{} is no file, directory or link", entry.path().display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            };
            additions.push(Self { place, content, why });
        }
        Ok(additions)
    }
}

fn utf8(path: &Path) -> io::Result<String> {
    let text = || format!("{} is not UTF-8", path.display());
    path.to_str().map(str::to_owned).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, text()))
}

/// The members of one archive, by path without a leading slash.
#[derive(Default)]
pub(super) struct Files(BTreeMap<String, (Content, Option<Why>)>);

impl Files {
    /// Puts something in its place; its parents are made up as directories when nobody else brings them.
    pub(super) fn put(&mut self, addition: Addition) -> Result<(), Error> {
        let Addition { place, content, why } = addition;
        let path = place.strip_prefix('/').ok_or_else(|| Error::Place(place.clone()))?;
        let path = path.trim_end_matches('/');
        if path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(Error::Place(place));
        }
        for (end, _) in path.match_indices('/') {
            let parent = path.get(..end).unwrap_or_default();
            let made_up = || (Content::Directory(0o755), None);
            match self.0.entry(parent.to_owned()).or_insert_with(made_up) {
                (Content::Directory(_), _) => {}
                _ => return Err(Error::Twice(format!("/{parent}"))),
            }
        }
        match self.0.get(path) {
            None => {}
            // A directory may be named again, with other permissions.
            Some((Content::Directory(_), _)) if matches!(content, Content::Directory(_)) => {}
            Some(_) => return Err(Error::Twice(place)),
        }
        self.0.insert(path.to_owned(), (content, Some(why)));
        Ok(())
    }

    /// Everything that somebody put in and that is no directory: absolute path and reason, sorted.
    pub(super) fn reasons(&self) -> impl Iterator<Item = (String, &Why)> {
        let listed = self.0.iter().filter(|(_, (content, _))| !matches!(content, Content::Directory(_)));
        listed.filter_map(|(path, (_, why))| Some((format!("/{path}"), why.as_ref()?)))
    }

    /// Bytes of all regular files.
    pub(super) fn bytes(&self) -> u64 {
        let size = |content: &Content| if let Content::File(bytes, _) = content { bytes.len() } else { 0 };
        self.0.values().map(|(content, _)| size(content) as u64).sum()
    }

    /// The archive, and the offsets in it where a member ends.
    pub(super) fn archive(&self, mtime: u32) -> Result<(Vec<u8>, Vec<usize>), Error> {
        let room = usize::try_from(self.bytes()).unwrap_or(0) + self.0.len() * 256;
        let mut writer = Writer::new(Vec::with_capacity(room), mtime);
        let mut ends = Vec::with_capacity(self.0.len());
        for (path, (content, _)) in &self.0 {
            match content {
                Content::File(bytes, permissions) => {
                    let size = bytes.len() as u64;
                    writer.file(path, Attributes::root(*permissions), size, bytes.as_slice())?;
                }
                Content::Directory(permissions) => {
                    writer.node(path, Node::Directory, Attributes::root(*permissions))?;
                }
                Content::Symlink(target) => {
                    writer.node(path, Node::Symlink(target.as_bytes()), Attributes::root(0o777))?;
                }
            }
            ends.push(usize::try_from(writer.position()).unwrap_or(usize::MAX));
        }
        Ok((writer.finish()?, ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(place: &str) -> Addition {
        Addition { place: place.into(), content: Content::File(b"x".to_vec(), 0o644), why: Why::part("test") }
    }

    #[test]
    fn parents_come_before_their_children() {
        let mut files = Files::default();
        files.put(file("/a/b/c")).unwrap();
        files.put(file("/a-b")).unwrap();
        let paths: Vec<_> = files.0.keys().map(String::as_str).collect();
        assert_eq!(paths, ["a", "a-b", "a/b", "a/b/c"]);
    }

    #[test]
    fn a_place_is_absolute_and_taken_once() {
        let mut files = Files::default();
        for place in ["a", "/", "", "/a/../b", "/a//b", "/./a"] {
            assert!(matches!(files.put(file(place)), Err(Error::Place(_))), "{place}");
        }
        files.put(file("/init")).unwrap();
        assert!(matches!(files.put(file("/init")), Err(Error::Twice(_))));
        assert!(matches!(files.put(file("/init/x")), Err(Error::Twice(_))));
    }
}
