//! Writing a tar archive whose members are made while they are written: the header comes when the size is
//! known.
//!
//! ```text
//!     0 name (100)   108 uid   124 size (12)    148 checksum   157 link   263 version  297 group
//!   100 mode          116 gid   136 mtime (12)   156 type       257 magic  265 user
//! ```

use std::io::{self, Seek, SeekFrom, Write};

use crate::fields::put;

pub(super) const BLOCK: u64 = 512;

/// The largest size that eleven octal digits hold; more is written as a binary number, as GNU tar does.
const MAX_OCTAL: u64 = (1 << 33) - 1;

/// An archive that is being written.
pub(super) struct Archive<'a, W: Write + Seek> {
    to: &'a mut W,
    time: u64,
    end: u64,
}

impl<'a, W: Write + Seek> Archive<'a, W> {
    pub(super) fn new(to: &'a mut W, time: u64) -> io::Result<Self> {
        to.seek(SeekFrom::Start(0))?;
        Ok(Self { to, time, end: 0 })
    }

    /// Adds a member of known bytes; gives the offset of its first byte.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<u64> {
        self.stream(name, |to| {
            to.write_all(bytes)?;
            Ok(bytes.len() as u64)
        })
        .map(|(at, _)| at)
    }

    /// Adds a member that `write` makes and tells the size of; gives the offset of its first byte, and the
    /// size.
    pub(super) fn stream(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut Member<'_, W>) -> io::Result<u64>,
    ) -> io::Result<(u64, u64)> {
        let at = self.end + BLOCK;
        self.to.seek(SeekFrom::Start(at))?;
        let size = write(&mut Member { to: self.to, start: at })?;
        let end = at + size;
        self.to.seek(SeekFrom::Start(end))?;
        self.to.write_all(&vec![0; (end.next_multiple_of(BLOCK) - end) as usize])?;
        self.to.seek(SeekFrom::Start(self.end))?;
        self.to.write_all(&header(name, size, b'0', self.time))?;
        self.end = end.next_multiple_of(BLOCK);
        Ok((at, size))
    }

    /// Writes over bytes of a member that was added.
    pub(super) fn replace(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.to.seek(SeekFrom::Start(at))?;
        self.to.write_all(bytes)
    }

    /// Two empty blocks end an archive.
    pub(super) fn finish(self) -> io::Result<()> {
        self.to.seek(SeekFrom::Start(self.end))?;
        self.to.write_all(&[0; 2 * BLOCK as usize])?;
        self.to.flush()
    }
}

/// A member that is being written: its first byte is at 0.
pub(super) struct Member<'a, W> {
    to: &'a mut W,
    start: u64,
}

impl<W: Seek> Member<'_, W> {
    /// How many bytes were written, wherever the member stands: nothing is behind them yet.
    pub(super) fn end(&mut self) -> io::Result<u64> {
        self.seek(SeekFrom::End(0))
    }
}

impl<W: Write> Write for Member<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Seek> Seek for Member<'_, W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(self.start.saturating_add(at)),
            other => other,
        };
        let at = self.to.seek(to)?;
        at.checked_sub(self.start).ok_or_else(|| io::Error::other("tar: a seek in front of the member"))
    }
}

/// The header of a member, with its checksum.
pub(super) fn header(name: &str, size: u64, kind: u8, time: u64) -> Vec<u8> {
    let mut header = vec![0; BLOCK as usize];
    let name = name.as_bytes();
    put(&mut header, 0, name.get(..name.len().min(99)).unwrap_or_default());
    put(&mut header, 100, b"0000644\0");
    put(&mut header, 108, b"0000000\0");
    put(&mut header, 116, b"0000000\0");
    put(&mut header, 124, &number(size));
    put(&mut header, 136, &number(time));
    put(&mut header, 156, &[kind]);
    put(&mut header, 257, b"ustar  \0");
    put(&mut header, 265, b"root");
    put(&mut header, 297, b"root");
    seal(&mut header);
    header
}

/// Sets the checksum: the sum of all bytes, its own as blanks.
pub(super) fn seal(header: &mut [u8]) {
    put(header, 148, b"        ");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    put(header, 148, format!("{sum:06o}\0 ").as_bytes());
}

/// Eleven octal digits, or a binary number with its highest bit set.
pub(super) fn number(value: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if value <= MAX_OCTAL {
        put(&mut field, 0, format!("{value:011o}").as_bytes());
    } else {
        put(&mut field, 0, &[0x80]);
        put(&mut field, 4, &value.to_be_bytes());
    }
    field
}
