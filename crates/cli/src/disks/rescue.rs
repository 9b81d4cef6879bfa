//! `--ignore-errors`: what cannot be read becomes zeros, and is told.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bootwright_formats::{Extent, ExtentKind, ReadAt};

/// What is given up at once: a sector of newer disks.
const PIECE: u64 = 4096;

/// How far to go on where it is not known what is there.
const UNKNOWN: u64 = 64 << 10;

/// A disk whose faults are zeros.
pub struct Rescue<R> {
    inner: R,
    lost: Mutex<Lost>,
}

#[derive(Default)]
struct Lost {
    ranges: Vec<Range<u64>>,
    first: Option<String>,
}

impl<R: ReadAt> Rescue<R> {
    /// Nothing is lost yet.
    pub fn new(inner: R) -> Self {
        Self { inner, lost: Mutex::default() }
    }

    /// What was lost so far, neighbours joined, and the first fault.
    pub fn lost(&self) -> (Vec<Range<u64>>, Option<String>) {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ranges = lost.ranges.clone();
        ranges.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        (joined, lost.first.clone())
    }

    fn give_up(&self, range: Range<u64>, error: &io::Error) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.first.get_or_insert_with(|| super::source::chain(error));
        // Threads read in order, mostly: joining with the last keeps the list short.
        match lost.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => lost.ranges.push(range),
        }
    }

    /// Halves what fails until it is a piece.
    fn read(&self, offset: u64, buffer: &mut [u8]) {
        let Err(error) = self.inner.read_exact_at(offset, buffer) else { return };
        let length = buffer.len() as u64;
        let middle = (offset + length / 2).next_multiple_of(PIECE) - offset;
        if middle >= length {
            buffer.fill(0);
            self.give_up(offset..offset + length, &error);
            return;
        }
        let (front, back) = buffer.split_at_mut(middle as usize);
        self.read(offset, front);
        self.read(offset + middle, back);
    }
}

impl<R: ReadAt> ReadAt for Rescue<R> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        self.read(offset, buffer.get_mut(..count).unwrap_or_default());
        Ok(count)
    }

    fn extent(&self, offset: u64) -> io::Result<Extent> {
        self.inner.extent(offset).or_else(|_| {
            let end = (offset + 1).next_multiple_of(UNKNOWN).min(self.size());
            Ok(Extent { range: offset..end.max(offset), kind: ExtentKind::Data })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that cannot be read in two places.
    struct Scratched;

    impl ReadAt for Scratched {
        fn size(&self) -> u64 {
            1 << 20
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            let wanted = offset..offset + buffer.len() as u64;
            for bad in [8192..12288, 500_000..500_001] {
                if wanted.start < bad.end && bad.start < wanted.end {
                    return Err(io::Error::other("scratch"));
                }
            }
            buffer.fill(7);
            Ok(buffer.len())
        }
    }

    #[test]
    fn only_the_pieces_that_fail_are_zeros() {
        let rescue = Rescue::new(Scratched);
        let mut buffer = vec![1; 1 << 20];
        rescue.read_exact_at(0, &mut buffer).unwrap();
        let lost = vec![8192..12288, 499_712..503_808];
        assert_eq!(rescue.lost(), (lost.clone(), Some("scratch".to_owned())));
        for (at, &byte) in (0u64..).zip(&buffer) {
            assert_eq!(byte == 0, lost.iter().any(|range| range.contains(&at)), "byte {at}");
        }
    }
}
