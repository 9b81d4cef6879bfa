//! A large thing put together out of pieces: what every writer of a disk or file system gives.
//!
//! A writer plans its headers, tables and directories, which are small, and says where the files lie. The
//! result can be read like any other: it is written to a file, put into a partition or converted into a
//! virtual disk without being stored in between, and what lies between the pieces is known to be zeros.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::read_at::{Extent, ExtentKind, ReadAt, Window};

/// Bytes that somebody else holds.
pub type Shared = Arc<dyn ReadAt>;

/// Pieces at their offsets, zeros between them.
#[derive(Clone, Default)]
pub struct Mosaic {
    size: u64,
    /// Sorted by offset; none reaches into the next.
    pieces: Vec<(u64, Shared)>,
}

impl Mosaic {
    /// `size` bytes of zeros.
    pub fn new(size: u64) -> Self {
        Self { size, pieces: Vec::new() }
    }

    /// Puts `piece` at `offset`, over nothing that is there already. What would reach past the end is cut.
    pub fn put(&mut self, offset: u64, piece: Shared) {
        let end = offset.saturating_add(piece.size());
        let piece = if end > self.size && offset < self.size {
            Arc::new(Window::new(piece, 0..self.size - offset)) as Shared
        } else {
            piece
        };
        if piece.size() == 0 || offset >= self.size {
            return;
        }
        let index = self.pieces.partition_point(|(at, _)| *at < offset);
        debug_assert!(
            self.is_free(index, offset..offset + piece.size()),
            "a piece at {offset} is in the way"
        );
        self.pieces.insert(index, (offset, piece));
    }

    /// Puts bytes at `offset`.
    pub fn bytes(&mut self, offset: u64, bytes: Vec<u8>) {
        self.put(offset, Arc::new(bytes));
    }

    fn is_free(&self, index: usize, range: Range<u64>) -> bool {
        let before = index.checked_sub(1).and_then(|index| self.pieces.get(index));
        let after = self.pieces.get(index);
        before.is_none_or(|(at, piece)| at + piece.size() <= range.start)
            && after.is_none_or(|(at, _)| range.end <= *at)
    }

    /// The piece that holds `offset`, and where the next one begins.
    fn at(&self, offset: u64) -> (Option<&(u64, Shared)>, u64) {
        let next = self.pieces.partition_point(|(at, _)| *at <= offset);
        let piece = next.checked_sub(1).and_then(|index| self.pieces.get(index));
        let piece = piece.filter(|(at, piece)| offset < at + piece.size());
        (piece, self.pieces.get(next).map_or(self.size, |(at, _)| *at))
    }
}

impl ReadAt for Mosaic {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size {
            return Ok(0);
        }
        let (piece, next) = self.at(offset);
        if let Some((at, piece)) = piece {
            return piece.read_at(offset - at, buffer);
        }
        let count = buffer.len().min(usize::try_from(next - offset).unwrap_or(usize::MAX));
        buffer.get_mut(..count).unwrap_or_default().fill(0);
        Ok(count)
    }

    fn extent(&self, offset: u64) -> io::Result<Extent> {
        if offset >= self.size {
            return Ok(Extent { range: offset..offset, kind: ExtentKind::Data });
        }
        let (piece, next) = self.at(offset);
        let Some((at, piece)) = piece else {
            return Ok(Extent { range: offset..next, kind: ExtentKind::Zero });
        };
        let Extent { range, kind } = piece.extent(offset - at)?;
        Ok(Extent { range: offset..at + range.end.min(piece.size()), kind })
    }
}

impl std::fmt::Debug for Mosaic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ranges = self.pieces.iter().map(|(at, piece)| *at..at + piece.size());
        f.debug_struct("Mosaic")
            .field("size", &self.size)
            .field("pieces", &ranges.collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_where_they_were_put_and_zeros_between_them() {
        let mut mosaic = Mosaic::new(12);
        mosaic.bytes(8, b"efghij".to_vec());
        mosaic.bytes(2, b"abcd".to_vec());
        let mut all = [1; 12];
        mosaic.read_exact_at(0, &mut all).unwrap();
        assert_eq!(&all, b"\0\0abcd\0\0efgh");
        assert_eq!(mosaic.read_at(12, &mut all).unwrap(), 0);
        let kinds: Vec<_> = [0, 3, 6, 9].map(|at| mosaic.extent(at).unwrap()).into_iter().collect();
        assert_eq!(kinds[0], Extent { range: 0..2, kind: ExtentKind::Zero });
        assert_eq!(kinds[1], Extent { range: 3..6, kind: ExtentKind::Data });
        assert_eq!(kinds[2], Extent { range: 6..8, kind: ExtentKind::Zero });
        assert_eq!(kinds[3], Extent { range: 9..12, kind: ExtentKind::Data });
    }
}
