//! Inodes.
//!
//! ```text
//! 0 type u16   2 mode u16   4 uid u16   6 gid u16   8 mtime u32   12 number u32, then by type
//!  1 directory  16 start u32   20 nlink u32   24 size u16   26 offset u16   28 parent u32
//!  8 …          16 nlink u32   20 size u32    24 start u32  28 parent u32   32 entries u16   34 offset u16 …
//!  2 file       16 start u32   20 fragment u32   24 offset u32   28 size u32 │ 32 blocks u32 …
//!  9 …          16 start u64   24 size u64   32 holes u64   40 nlink u32   44 fragment u32   48 offset u32
//!               52 attributes u32 │ 56 blocks u32 …
//!  3, 10 link   16 nlink u32   20 size u32 │ 24 target
//! ```

use super::Volume;
use super::error::{Error, Result, damaged};
use super::metadata::Cursor;
use crate::fields::{u16_le, u32_le, u64_le};

/// `PATH_MAX`: no kernel follows a longer target.
const MAX_TARGET: usize = 4096;
/// Bytes of the longest inode without what follows it.
const LONGEST: usize = 56;

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A device, FIFO or socket.
    Special,
}

/// A file, directory, link or device.
#[derive(Debug, Clone)]
pub struct Inode {
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// Modification time, seconds since 1970.
    pub mtime: u32,
    /// Bytes of a file, or of a link's target; of a directory's entries.
    pub size: u64,
    /// A directory's piece in the table, or a file's first byte in the image.
    pub(super) start: u64,
    /// The fragment that holds the end of a file.
    pub(super) fragment: Option<u32>,
    /// Where the directory, or what the fragment holds of the file, begins in its piece.
    pub(super) offset: u32,
    /// What lies behind the inode: blocks or target.
    pub(super) behind: (u64, usize),
}

/// Where an inode is: the piece's offset in the image, and the byte in it.
fn place_of(volume: &Volume, place: u64) -> (u64, usize) {
    let piece = volume.superblock.inode_table.saturating_add(place >> 16);
    (piece, (place & 0xffff) as usize)
}

pub(super) fn read(volume: &Volume, place: u64) -> Result<Inode> {
    let (piece, within) = place_of(volume, place);
    let mut bytes = Cursor::new(volume, piece, within).take(16)?;
    let number = u16_le(&bytes, 0).unwrap_or(0);
    let length = match number {
        1 => 32,
        8 => 40,
        2 => 32,
        9 => LONGEST,
        3 | 10 => 24,
        4..=7 | 11..=14 => 16,
        _ => return Err(damaged(format!("an inode of type {number}"), piece)),
    };
    bytes = Cursor::new(volume, piece, within).take(length)?;
    let half = |at| u16_le(&bytes, at).unwrap_or(0);
    let word = |at| u32_le(&bytes, at).unwrap_or(0);
    let long = |at| u64_le(&bytes, at).unwrap_or(0);
    // The size of a directory counts "." and "..", which are not there, as three bytes.
    let listed = |size: u32| u64::from(size.saturating_sub(3));
    let (kind, size, start, fragment, offset) = match number {
        1 => (Kind::Directory, listed(half(24).into()), word(16).into(), None, half(26).into()),
        8 => (Kind::Directory, listed(word(20)), word(24).into(), None, half(34).into()),
        2 => (Kind::File, word(28).into(), word(16).into(), fragment(word(20)), word(24)),
        9 => (Kind::File, long(24), long(16), fragment(word(44)), word(48)),
        3 | 10 => (Kind::Symlink, word(20).into(), 0, None, 0),
        _ => (Kind::Special, 0, 0, None, 0),
    };
    Ok(Inode { kind, mode: half(2), mtime: word(8), size, start, fragment, offset, behind: (place, length) })
}

fn fragment(number: u32) -> Option<u32> {
    (number != u32::MAX).then_some(number)
}

impl Inode {
    /// Reads what lies behind it.
    pub(super) fn behind<'a>(&self, volume: &'a Volume) -> Result<Cursor<'a>> {
        let (place, length) = self.behind;
        let (piece, within) = place_of(volume, place);
        let mut cursor = Cursor::new(volume, piece, within);
        cursor.take(length)?;
        Ok(cursor)
    }
}

pub(super) fn target(volume: &Volume, link: &Inode) -> Result<Vec<u8>> {
    if link.kind != Kind::Symlink {
        return Ok(Vec::new());
    }
    match usize::try_from(link.size) {
        Ok(length) if length <= MAX_TARGET => link.behind(volume)?.take(length),
        _ => {
            let (piece, _) = place_of(volume, link.behind.0);
            Err(Error::Damaged { problem: format!("a symbolic link of {} bytes", link.size), offset: piece })
        }
    }
}
