//! The bytes that are inspected: shared, counted in pages, readable as a stream.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bootwright_formats::{Extent, ReadAt};

/// Bytes that several readers look at: a file, a partition in it, a file in that.
pub type Source = Arc<dyn ReadAt>;

/// The unit in which a [`Cache`] reads, in bytes.
const PAGE: usize = 4096;

/// The most pages that a [`Cache`] keeps (8 MiB): headers and directories of any real image are far fewer.
const MAX_PAGES: usize = 2048;

/// A read of at least so many bytes passes by the cache: it is content, not a header.
const LARGE: usize = 64 << 10;

/// Bytes of content that are read at once.
const PIECE: usize = 256 << 10;

/// Keeps the pages that were read: twenty recognisers look at the same header.
pub struct Cache<R> {
    inner: R,
    pages: Mutex<HashMap<u64, Arc<[u8]>>>,
}

impl<R: ReadAt> Cache<R> {
    /// Reads of `inner` go through pages of 4096 bytes.
    pub fn new(inner: R) -> Self {
        Self { inner, pages: Mutex::new(HashMap::new()) }
    }

    fn page(&self, number: u64) -> io::Result<Arc<[u8]>> {
        // A thread that panicked left no page half written: each is put in whole.
        let lock = || self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = lock().get(&number) {
            return Ok(Arc::clone(page));
        }
        let start = number * PAGE as u64;
        let length = self.inner.size().saturating_sub(start).min(PAGE as u64);
        let mut page = vec![0; length as usize];
        self.inner.read_exact_at(start, &mut page)?;
        let page: Arc<[u8]> = page.into();
        let mut pages = lock();
        if pages.len() >= MAX_PAGES {
            pages.clear();
        }
        pages.insert(number, Arc::clone(&page));
        Ok(page)
    }
}

impl<R: ReadAt> ReadAt for Cache<R> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.len() >= LARGE {
            return self.inner.read_at(offset, buffer);
        }
        if offset >= self.size() {
            return Ok(0);
        }
        let page = self.page(offset / PAGE as u64)?;
        let within = (offset % PAGE as u64) as usize;
        let rest = page.get(within..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn extent(&self, offset: u64) -> io::Result<Extent> {
        self.inner.extent(offset)
    }
}

/// Hands all bytes of `range` to `take`, piece by piece.
pub(crate) fn each_piece(source: &Source, range: Range<u64>, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut at = range.start;
    while at < range.end {
        let length = piece.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        let part = piece.get_mut(..length).unwrap_or_default();
        source.read_exact_at(at, part)?;
        take(part);
        at += length as u64;
    }
    Ok(())
}

/// A source as a stream, for readers that want one.
pub struct Stream {
    source: Source,
    position: u64,
    buffer: Vec<u8>,
    /// Where `buffer` starts in the source.
    start: u64,
    /// How many bytes are read at once.
    piece: usize,
}

impl Stream {
    /// Stands at `position`; reads small pieces, for headers that lie far apart.
    pub fn sparse(source: Source, position: u64) -> Self {
        Self { source, position, buffer: Vec::new(), start: 0, piece: 512 }
    }

    /// Stands at the start; reads large pieces, for content that is read to its end.
    pub fn whole(source: Source) -> Self {
        Self { source, position: 0, buffer: Vec::new(), start: 0, piece: PIECE }
    }

    /// Where it stands, in bytes from the source's start.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let held = self.start..self.start + self.buffer.len() as u64;
        if !held.contains(&self.position) {
            self.buffer.resize(self.piece, 0);
            let count = self.source.read_at(self.position, &mut self.buffer)?;
            self.buffer.truncate(count);
            self.start = self.position;
        }
        Ok(self.buffer.get((self.position - self.start) as usize..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position += count as u64;
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.source.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the start");
        self.position = position.ok_or_else(outside)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_and_a_stream_give_the_same_bytes_as_the_source() {
        let bytes: Vec<u8> = (0..20_000u32).map(|n| (n % 251) as u8).collect();
        let cache = Cache::new(bytes.clone());
        for (offset, length) in [(0, 10), (4090, 20), (19_990, 10), (0, 20_000)] {
            let mut found = vec![0; length];
            cache.read_exact_at(offset, &mut found).unwrap();
            assert_eq!(found, bytes[offset as usize..][..length]);
        }
        assert!(cache.read_exact_at(19_999, &mut [0; 2]).is_err());
        let source: Source = Arc::new(cache);
        let mut stream = Stream::sparse(source, 0);
        let mut found = Vec::new();
        stream.read_to_end(&mut found).unwrap();
        assert_eq!(found, bytes);
        stream.seek(SeekFrom::Start(5000)).unwrap();
        assert_eq!(stream.fill_buf().unwrap()[0], bytes[5000]);
    }
}
