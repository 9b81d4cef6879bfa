//! Random access to bytes: what every reader of a disk, a partition or a file in it is given.
//!
//! A reader of a format takes a [`ReadAt`] and is one again: a qcow2 is the disk in it, a [`Window`] of
//! that a partition, a file in that partition the next. So they nest without a copy, and each reads only
//! what is asked of it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes that can be read at any offset, by several threads at a time.
pub trait ReadAt: Send + Sync {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Reads at `offset` as pread(2) does: fewer bytes than asked for are lawful, none means the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// The run of alike bytes that begins at `offset`, at most to [`size`](Self::size): data, or zeros that
    /// nobody has to read. A reader that does not know its holes says that all is data.
    fn extent(&self, offset: u64) -> io::Result<Extent> {
        Ok(Extent { range: offset..self.size().max(offset), kind: ExtentKind::Data })
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`], naming the offset, when there are not so many bytes.
    fn read_exact_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(offset, buffer) {
                Ok(0) => return Err(ends_at(offset, buffer.len())),
                Ok(count) => {
                    buffer = buffer.get_mut(count..).unwrap_or_default();
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn ends_at(offset: u64, missing: usize) -> io::Error {
    let what = format!("the data ends at byte {offset}, {missing} bytes too early");
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}

/// A run of alike bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Where it is; empty only at the end.
    pub range: Range<u64>,
    /// What is there.
    pub kind: ExtentKind,
}

/// What an [`Extent`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// Bytes that have to be read.
    Data,
    /// Zeros, stored nowhere.
    Zero,
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buffer)
    }
}

/// A file or block device; its size is asked for once.
#[derive(Debug)]
pub struct FileBytes {
    file: File,
    size: u64,
}

impl FileBytes {
    /// Takes a file that is open for reading. A block device has the size that seeking to its end tells.
    pub fn new(mut file: File) -> io::Result<Self> {
        let size = io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok(Self { file, size })
    }
}

impl ReadAt for FileBytes {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    /// By `SEEK_DATA` and `SEEK_HOLE`; a file system without holes says that all is data.
    fn extent(&self, offset: u64) -> io::Result<Extent> {
        use rustix::fs::{SeekFrom, seek};
        if offset >= self.size {
            return Ok(Extent { range: offset..offset, kind: ExtentKind::Data });
        }
        let data = match seek(&self.file, SeekFrom::Data(offset)) {
            Ok(at) => at.min(self.size),
            Err(rustix::io::Errno::NXIO) => self.size,
            Err(rustix::io::Errno::INVAL) => offset,
            Err(error) => return Err(error.into()),
        };
        if data > offset {
            return Ok(Extent { range: offset..data, kind: ExtentKind::Zero });
        }
        let end = match seek(&self.file, SeekFrom::Hole(offset)) {
            Ok(at) => at.min(self.size),
            Err(_) => self.size,
        };
        Ok(Extent { range: offset..end, kind: ExtentKind::Data })
    }
}

/// A part of something larger: a partition, a file that lies in one piece.
#[derive(Debug, Clone)]
pub struct Window<R> {
    inner: R,
    range: Range<u64>,
}

impl<R: ReadAt> Window<R> {
    /// The bytes of `range`, of which nothing past the end of `inner` is there.
    pub fn new(inner: R, range: Range<u64>) -> Self {
        let end = range.end.min(inner.size());
        Self { inner, range: range.start.min(end)..end }
    }
}

impl<R: ReadAt> ReadAt for Window<R> {
    fn size(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size().saturating_sub(offset);
        let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match buffer.get_mut(..count) {
            Some(buffer) if count > 0 => self.inner.read_at(self.range.start + offset, buffer),
            _ => Ok(0),
        }
    }

    fn extent(&self, offset: u64) -> io::Result<Extent> {
        if offset >= self.size() {
            return Ok(Extent { range: offset..offset, kind: ExtentKind::Data });
        }
        let Extent { range, kind } = self.inner.extent(self.range.start + offset)?;
        let end = range.end.min(self.range.end) - self.range.start;
        Ok(Extent { range: offset..end, kind })
    }
}

macro_rules! through {
    ($($pointer:ty),*) => {$(
        impl<R: ReadAt + ?Sized> ReadAt for $pointer {
            fn size(&self) -> u64 {
                (**self).size()
            }

            fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
                (**self).read_at(offset, buffer)
            }

            fn extent(&self, offset: u64) -> io::Result<Extent> {
                (**self).extent(offset)
            }
        }
    )*};
}

through!(&R, Box<R>, Arc<R>);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    #[test]
    fn a_window_ends_where_it_says_and_where_its_bytes_end() {
        let bytes = b"0123456789".to_vec();
        let window = Window::new(&bytes, 3..6);
        let mut buffer = [0; 8];
        assert_eq!(window.read_at(1, &mut buffer).unwrap(), 2);
        assert_eq!(&buffer[..2], b"45");
        assert_eq!(window.read_at(3, &mut buffer).unwrap(), 0);
        assert_eq!(Window::new(&bytes, 8..20).size(), 2);
        assert_eq!(Window::new(&bytes, 80..90).size(), 0);
    }

    #[test]
    fn reading_past_the_end_names_the_offset() {
        let error = b"abc".as_slice().read_exact_at(1, &mut [0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "the data ends at byte 3, 2 bytes too early");
    }

    #[test]
    fn the_holes_of_a_file_are_known() {
        let mut file = tempfile::tempfile().unwrap();
        file.seek(SeekFrom::Start(1 << 20)).unwrap();
        file.write_all(&[1; 4096]).unwrap();
        file.set_len(3 << 20).unwrap();
        let bytes = FileBytes::new(file).unwrap();
        let window = Window::new(&bytes, 4096..3 << 20);
        let mut at = 0;
        let mut data = 0;
        while at < window.size() {
            let extent = window.extent(at).unwrap();
            assert_eq!(extent.range.start, at);
            if extent.kind == ExtentKind::Data {
                data += extent.range.end - extent.range.start;
            }
            at = extent.range.end;
        }
        assert_eq!(at, window.size());
        assert!(data <= 64 << 10, "{data} bytes of data");
    }
}
