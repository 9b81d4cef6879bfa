//! Trees of files in archives, unpacked while they arrive.
//!
//! What the archive says is not trusted: every name is resolved with the new root as `/` (openat2(2),
//! `RESOLVE_IN_ROOT`), so that neither `..` nor a link leads out of it ([`place`]). Nothing that is made is opened
//! again, so a device node is made and not looked into.

mod place;

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::os::fd::OwnedFd;

use bootwright_formats::cpio;
use bootwright_formats::tar::{self, MemberKind, Metadata};

use place::{Kind, Node, Place, Problem};

/// Why an archive is no root.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The tar archive itself.
    #[error(transparent)]
    Tar(#[from] tar::TarError),
    /// The cpio archive itself.
    #[error(transparent)]
    Cpio(#[from] cpio::Error),
    /// One member.
    #[error("the archive's member {name} (at byte {offset}, unpacked) cannot be made")]
    Member {
        /// Its name, as it stands there.
        name: String,
        /// Where its header starts.
        offset: u64,
        /// Why.
        source: Problem,
    },
}

/// What was unpacked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Members.
    pub members: u64,
    /// Bytes of their data.
    pub bytes: u64,
    /// Extended attributes that this file system does not take, and the first of them.
    pub refused: Option<(u64, String)>,
}

/// Unpacks a tar archive below `root`, of at most `room` bytes of data.
pub fn tar(archive: impl Read, root: OwnedFd, room: u64) -> Result<Unpacked, TreeError> {
    let mut reader = tar::Reader::new(archive);
    let mut place = Place::new(root, room);
    while let Some(member) = reader.next_member()? {
        let kind = match &member.kind {
            MemberKind::File { size, .. } => Kind::File(*size),
            MemberKind::Sparse { size, pieces } => Kind::Sparse(*size, pieces),
            MemberKind::HardLink(target) => Kind::HardLink(target),
            MemberKind::Symlink(target) => Kind::Symlink(target),
            MemberKind::Directory => Kind::Directory,
            MemberKind::Fifo => Kind::Fifo,
            MemberKind::CharDevice(major, minor) => Kind::CharDevice(*major, *minor),
            MemberKind::BlockDevice(major, minor) => Kind::BlockDevice(*major, *minor),
        };
        let node = Node { name: &member.name, metadata: &member.metadata, kind };
        place.make(&node, &mut reader.data()).map_err(failed(&member.name, member.offset))?;
    }
    Ok(place.finish())
}

/// Unpacks cpio archives that follow each other, as [`tar()`].
pub fn cpio(archives: impl BufRead, root: OwnedFd, room: u64) -> Result<Unpacked, TreeError> {
    let mut reader = cpio::Reader::new(archives);
    let mut place = Place::new(root, room);
    // The first name of each file that has several (device, inode).
    let mut names: BTreeMap<(u32, u32, u32), Vec<u8>> = BTreeMap::new();
    loop {
        while let Some(mut entry) = reader.next_entry()? {
            let (name, offset) = (entry.path().to_vec(), entry.offset());
            let header = *entry.metadata();
            let is_link = header.kind() == Some(cpio::Kind::Symlink);
            let target = if is_link { entry.read_target()? } else { Vec::new() };
            let metadata = Metadata {
                mode: header.mode & 0o7777,
                uid: header.uid,
                gid: header.gid,
                mtime: header.mtime.into(),
                ..Metadata::default()
            };
            let failed = failed(&name, offset);
            let file = (header.dev.0, header.dev.1, header.ino);
            let shared = header.kind() == Some(cpio::Kind::File) && header.nlink > 1;
            let kind = match header.kind() {
                Some(cpio::Kind::File) => match names.get(&file).filter(|_| shared) {
                    Some(first) => Kind::FurtherName(first, u64::from(entry.size())),
                    None => Kind::File(u64::from(entry.size())),
                },
                Some(cpio::Kind::Directory) => Kind::Directory,
                Some(cpio::Kind::Symlink) => Kind::Symlink(&target),
                Some(cpio::Kind::Fifo) => Kind::Fifo,
                Some(cpio::Kind::Socket) => Kind::Socket,
                Some(cpio::Kind::CharacterDevice) => Kind::CharDevice(header.rdev.0, header.rdev.1),
                Some(cpio::Kind::BlockDevice) => Kind::BlockDevice(header.rdev.0, header.rdev.1),
                None => return Err(failed(Problem::Kind(header.mode))),
            };
            place.make(&Node { name: &name, metadata: &metadata, kind }, &mut entry).map_err(failed)?;
            if shared {
                names.entry(file).or_insert(name);
            }
        }
        if !reader.next_archive()? {
            return Ok(place.finish());
        }
    }
}

fn failed(name: &[u8], offset: u64) -> impl FnOnce(Problem) -> TreeError + use<> {
    let name = name.escape_ascii().to_string();
    move |source| TreeError::Member { name, offset, source }
}

#[cfg(test)]
mod tests;
