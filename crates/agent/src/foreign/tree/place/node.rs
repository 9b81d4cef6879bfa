//! What is to be made, and why it is not.

use std::io;

use bootwright_formats::tar::{Metadata, Piece};

/// `PATH_MAX` and `NAME_MAX` of Linux.
const MAX_PATH: usize = 4096;
const MAX_NAME: usize = 255;

/// A member of an archive, as it is to be made.
pub struct Node<'a> {
    /// Its name in the archive.
    pub name: &'a [u8],
    /// Owner, mode, time, extended attributes.
    pub metadata: &'a Metadata,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What a member is.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// A regular file of so many bytes.
    File(u64),
    /// A regular file of so many bytes, of which these come.
    Sparse(u64, &'a [Piece]),
    /// A further name of the file of that name.
    HardLink(&'a [u8]),
    /// The same; so many bytes of content come with this name, as cpio has it.
    FurtherName(&'a [u8], u64),
    /// A symbolic link that leads there.
    Symlink(&'a [u8]),
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
}

/// Why a member is not made.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A name that is none, or leads out.
    #[error("its name {0}")]
    Name(&'static str),
    /// A hard link to something that does not come before.
    #[error("it is a hard link to {0}, and no such file comes before it")]
    HardLink(String),
    /// A directory with something in it has this name.
    #[error("a directory of that name is there already, and is not empty")]
    InTheWay,
    /// The way to it leads over a link to nowhere, or over something that is no directory.
    #[error("what should be its directory is none")]
    Directory,
    /// No type of file.
    #[error("its mode {0:o} is of no type")]
    Kind(u32),
    /// More than there is room for.
    #[error("the archive unpacks to more than {} MiB, for which there is no room in memory", .0 >> 20)]
    Room(u64),
    /// The archive ended or the system failed.
    #[error("{0}")]
    System(&'static str, #[source] io::Error),
}

/// The parts of a name; none for the root itself.
pub(super) fn parts(name: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    if name.len() >= MAX_PATH {
        return Err(Problem::Name("is longer than 4095 bytes"));
    }
    if name.contains(&0) {
        return Err(Problem::Name("has a NUL in it"));
    }
    let parts = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    parts
        .map(|part| match part {
            b".." => Err(Problem::Name("leads out of the archive (..)")),
            part if part.len() > MAX_NAME => Err(Problem::Name("has a part of more than 255 bytes")),
            part => Ok(part),
        })
        .collect()
}
