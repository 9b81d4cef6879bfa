//! The bytes of one chunk as they come in, without copying them into one piece.

use bytes::{Bytes, BytesMut};

/// A piece of the network shorter than this is copied behind the one before. A piece keeps the whole
/// receive buffer alive that it was cut from, and a slow network cuts small ones: without the copy, a
/// chunk could hold many times its own size in memory.
const WORTH_KEEPING: usize = 16 << 10;

/// Gathers the pieces of one chunk after another.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    pieces: Vec<Bytes>,
    tail: BytesMut,
    length: usize,
}

impl Gather {
    /// Bytes gathered so far.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Takes in the next bytes.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if piece.len() < WORTH_KEEPING {
            self.tail.extend_from_slice(&piece);
        } else {
            self.close_tail();
            self.pieces.push(piece);
        }
    }

    /// The first `length` bytes, in order; what is beyond them belongs to the next chunk and stays.
    pub(crate) fn take(&mut self, length: usize) -> Vec<Bytes> {
        self.close_tail();
        let mut rest = std::mem::take(&mut self.pieces);
        let mut missing = length.min(self.length);
        self.length -= missing;
        let mut taken = Vec::with_capacity(rest.len());
        let mut whole = 0;
        for piece in &mut rest {
            if missing == 0 {
                break;
            }
            let part = piece.split_to(missing.min(piece.len()));
            missing -= part.len();
            taken.push(part);
            whole += usize::from(piece.is_empty());
        }
        rest.drain(..whole);
        self.pieces = rest;
        taken
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(std::mem::take(&mut self.tail).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_come_out_in_the_order_the_pieces_went_in(
            lengths in proptest::collection::vec(0usize..3 * WORTH_KEEPING, 0..12),
            chunk in 1usize..100_000,
        ) {
            let mut gather = Gather::default();
            let (mut sent, mut taken) = (Vec::new(), Vec::new());
            for (at, length) in lengths.into_iter().enumerate() {
                let piece = vec![at as u8; length];
                sent.extend_from_slice(&piece);
                gather.push(piece.into());
                while gather.len() >= chunk {
                    let pieces = gather.take(chunk);
                    prop_assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), chunk);
                    taken.extend(pieces.concat());
                }
            }
            taken.extend(gather.take(gather.len()).concat());
            prop_assert_eq!(gather.len(), 0);
            prop_assert_eq!(taken, sent);
        }
    }
}
