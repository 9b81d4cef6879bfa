//! The files in an initrd, unpacked one at a time.

use std::io::{self, Read as _};
use std::sync::Arc;

use bootwright_formats::cpio::Kind;
use bootwright_formats::initrd::Reader;

use crate::bytes::printable;
use crate::files::{Entry, Files};
use crate::source::{Source, Stream};

/// The largest file that is taken out, in bytes: it is held in memory, since nothing in a compressed stream
/// can be found without unpacking what is before.
const MAX_FILE: u64 = 512 << 20;

/// The most names of a directory.
const MAX_NAMES: usize = 65_536;

pub(super) struct InitrdFiles(pub(super) Source);

fn plain(path: &[u8]) -> String {
    printable(path).trim_start_matches("./").trim_matches('/').to_owned()
}

impl Files for InitrdFiles {
    fn list(&self, directory: &str) -> io::Result<Option<Vec<Entry>>> {
        let mut reader = Reader::new(Stream::whole(Arc::clone(&self.0)));
        let mut found = std::collections::BTreeMap::new();
        let mut exists = directory.is_empty();
        while let Some(entry) = reader.next_entry().map_err(io::Error::other)? {
            let path = plain(entry.path());
            exists |= path == directory;
            let inside = if directory.is_empty() {
                Some(path.as_str())
            } else {
                path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/'))
            };
            let Some(name) = inside.filter(|name| !name.is_empty() && *name != ".") else { continue };
            let (name, deeper) = name.split_once('/').map_or((name, false), |(name, _)| (name, true));
            let is_directory = deeper || entry.metadata().kind() == Some(Kind::Directory);
            if found.len() < MAX_NAMES {
                let size = u64::from(entry.size());
                let new = Entry { name: name.to_owned(), directory: is_directory, link: false, size };
                found.entry(name.to_owned()).or_insert(new).directory |= is_directory;
            }
        }
        exists |= !found.is_empty();
        Ok(exists.then(|| found.into_values().collect()))
    }

    /// The last member of that name: later ones replace earlier ones when the kernel unpacks.
    fn open(&self, path: &str) -> io::Result<Option<Source>> {
        let mut reader = Reader::new(Stream::whole(Arc::clone(&self.0)));
        let mut found: Option<Source> = None;
        while let Some(mut entry) = reader.next_entry().map_err(io::Error::other)? {
            if entry.metadata().kind() != Some(Kind::File) || plain(entry.path()) != path {
                continue;
            }
            if u64::from(entry.size()) > MAX_FILE {
                let text = format!("{path} has {} bytes, more than {MAX_FILE}", entry.size());
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            found = Some(Arc::new(content));
        }
        Ok(found)
    }
}
