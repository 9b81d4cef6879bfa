//! A buffered source that counts what was taken from it.

use std::io::{self, BufRead, Read};

/// Bytes that are read from the file at once.
const BUFFER: usize = 128 << 10;

/// The fewest bytes that [`Source::fill_buf`] shows before the end: a whole magic, so that looking ahead
/// does not depend on where a buffer happens to end.
const LOOK_AHEAD: usize = 8;

/// A file, buffered.
pub struct Source<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes taken.
    position: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; BUFFER], start: 0, end: 0, position: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Passes over NUL bytes.
    pub(super) fn skip_nuls(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.fill_buf()?;
            let nuls = buffer.iter().take_while(|&&byte| byte == 0).count();
            if nuls == 0 {
                return Ok(());
            }
            self.consume(nuls);
        }
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.end - self.start < LOOK_AHEAD {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            match self.inner.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.position += count as u64;
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
