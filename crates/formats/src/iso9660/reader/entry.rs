//! What a directory holds.

use std::ops::Range;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and where it leads; Rock Ridge only.
    Symlink(String),
}

/// A file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: of Rock Ridge, else Joliet, else of ISO 9660 without its version.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where its bytes are in the image, in order; several for files over 4 GiB.
    pub extents: Vec<Range<u64>>,
    /// `st_mode`; Rock Ridge only.
    pub mode: Option<u32>,
}

impl Entry {
    /// Bytes of its content.
    pub fn size(&self) -> u64 {
        self.extents.iter().map(|range| range.end - range.start).sum()
    }
}
