//! Writing: plain ustar headers, extended ones only where ustar cannot say it. Same members, same bytes.

use std::io::{self, Write};

use super::header::checksum;
use super::{BLOCK, Metadata, pax};

/// Writes an archive member by member.
pub struct Writer<W> {
    inner: W,
}

/// A member's type and what belongs to it.
#[derive(Debug, Clone, Copy)]
pub enum Written<'a> {
    /// A regular file of that many bytes, which [`Writer::data`] writes next.
    File(u64),
    /// A further name of the member with this path.
    HardLink(&'a [u8]),
    /// A symbolic link that points there.
    Symlink(&'a [u8]),
    /// A directory; its path ends in a slash.
    Directory,
    /// A FIFO.
    Fifo,
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
}

impl Written<'_> {
    fn typeflag(self) -> u8 {
        match self {
            Self::File(_) => b'0',
            Self::HardLink(_) => b'1',
            Self::Symlink(_) => b'2',
            Self::CharDevice(..) => b'3',
            Self::BlockDevice(..) => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
        }
    }
}

impl<W: Write> Writer<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner }
    }

    /// Writes a member's header, with an extended one before it where needed.
    pub fn header(&mut self, path: &[u8], metadata: &Metadata, what: Written<'_>) -> io::Result<()> {
        let link = match what {
            Written::HardLink(link) | Written::Symlink(link) => link,
            _ => b"",
        };
        let size = if let Written::File(size) = what { size } else { 0 };
        let mut records = Vec::new();
        if path.len() > 100 {
            pax::push(&mut records, b"path", path);
        }
        if link.len() > 100 {
            pax::push(&mut records, b"linkpath", link);
        }
        number_record(&mut records, b"size", size, 11);
        number_record(&mut records, b"uid", u64::from(metadata.uid), 7);
        number_record(&mut records, b"gid", u64::from(metadata.gid), 7);
        if metadata.mtime_nsec != 0 || octal(metadata.mtime.cast_unsigned(), 11).is_none() {
            let text = pax::time_text(metadata.mtime, metadata.mtime_nsec);
            pax::push(&mut records, b"mtime", text.as_bytes());
        }
        for (name, value) in &metadata.xattrs {
            pax::push(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        if !records.is_empty() {
            let plain = Metadata { mode: 0o644, ..Metadata::default() };
            self.block(
                b"pax",
                b"",
                &plain,
                Block { typeflag: b'x', size: records.len() as u64, device: None },
            )?;
            self.inner.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        let device = match what {
            Written::CharDevice(major, minor) | Written::BlockDevice(major, minor) => Some((major, minor)),
            _ => None,
        };
        self.block(path, link, metadata, Block { typeflag: what.typeflag(), size, device })
    }

    /// Writes a file's data, of exactly `size` bytes, and its padding.
    pub fn data(&mut self, data: &mut dyn io::Read, size: u64) -> io::Result<()> {
        let copied = io::copy(&mut io::Read::take(data, size), &mut self.inner)?;
        if copied != size {
            let text = format!("{copied} bytes instead of {size}: the file changed while it was read");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.pad(size)
    }

    /// Writes the end marker and hands the writer back.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK as usize])?;
        Ok(self.inner)
    }

    fn block(&mut self, path: &[u8], link: &[u8], metadata: &Metadata, rest: Block) -> io::Result<()> {
        let mut block = [0; BLOCK as usize];
        let mut put = |at: usize, bytes: &[u8], room: usize| {
            block.iter_mut().skip(at).zip(bytes.iter().take(room)).for_each(|(to, from)| *to = *from);
        };
        let field = |number: u64, digits: usize| octal(number, digits).unwrap_or_else(|| "0".repeat(digits));
        put(0, path, 100);
        put(100, field(u64::from(metadata.mode), 7).as_bytes(), 7);
        put(108, field(u64::from(metadata.uid), 7).as_bytes(), 7);
        put(116, field(u64::from(metadata.gid), 7).as_bytes(), 7);
        put(124, field(rest.size, 11).as_bytes(), 11);
        put(136, field(metadata.mtime.cast_unsigned(), 11).as_bytes(), 11);
        put(156, &[rest.typeflag], 1);
        put(157, link, 100);
        put(257, b"ustar\x0000", 8);
        if let Some((major, minor)) = rest.device {
            put(329, field(u64::from(major), 7).as_bytes(), 7);
            put(337, field(u64::from(minor), 7).as_bytes(), 7);
        }
        let sum = format!("{:06o}\0 ", checksum(&block));
        block[148..156].copy_from_slice(sum.as_bytes());
        self.inner.write_all(&block)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = size.next_multiple_of(BLOCK) - size;
        self.inner.write_all(&vec![0; padding as usize])
    }
}

struct Block {
    typeflag: u8,
    size: u64,
    device: Option<(u32, u32)>,
}

fn number_record(records: &mut Vec<u8>, key: &[u8], number: u64, digits: usize) {
    if octal(number, digits).is_none() {
        pax::push(records, key, number.to_string().as_bytes());
    }
}

/// The number in octal with leading zeros, if it fits.
fn octal(number: u64, digits: usize) -> Option<String> {
    let text = format!("{number:0digits$o}");
    (text.len() == digits).then_some(text)
}
