//! The stream of inodes, directories and tables: pieces of at most 8 KiB, each compressed or as it is.
//!
//! ```text
//! piece:  u16: length on disk, 0x8000 when it is not compressed │ bytes
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Volume;
use super::error::{Result, damaged};
use super::unpack::unpack;
use crate::fields::u16_le;

/// What a piece holds at most.
const PIECE: usize = 8 << 10;
const STORED: u16 = 0x8000;
/// How many pieces are kept: 1 MiB. The inodes of a directory lie in few of them.
const KEPT: usize = 128;

/// A piece, and where the next one begins.
#[derive(Clone)]
struct Piece {
    bytes: Arc<Vec<u8>>,
    next: u64,
}

/// The pieces that were unpacked lately, by their offsets.
#[derive(Default)]
pub(super) struct Metadata(Mutex<HashMap<u64, Piece>>);

impl Volume {
    fn piece(&self, offset: u64) -> Result<Piece> {
        let lock = || self.metadata.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(piece) = lock().get(&offset) {
            return Ok(piece.clone());
        }
        let header = u16_le(&self.bytes(offset, 2)?, 0).unwrap_or(0);
        let length = usize::from(header & !STORED);
        if length == 0 || length > PIECE {
            return Err(damaged(format!("a piece of metadata of {length} bytes"), offset));
        }
        let start = offset.saturating_add(2);
        let bytes = match header & STORED {
            0 => unpack(self, start, length, PIECE)?,
            _ => self.bytes(start, length)?,
        };
        let piece = Piece { bytes: Arc::new(bytes), next: start.saturating_add(length as u64) };
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(offset, piece.clone());
        Ok(piece)
    }
}

/// Reads the stream from some byte on.
pub(super) struct Cursor<'a> {
    volume: &'a Volume,
    /// Where the piece that is read begins.
    piece: u64,
    within: usize,
}

impl<'a> Cursor<'a> {
    /// At byte `within` of the piece that begins at `piece`.
    pub fn new(volume: &'a Volume, piece: u64, within: usize) -> Self {
        Self { volume, piece, within }
    }

    /// The next `length` bytes, which the caller has bounded.
    pub fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut taken = Vec::with_capacity(length.min(PIECE));
        while taken.len() < length {
            let Piece { bytes, next } = self.volume.piece(self.piece)?;
            let rest = bytes.get(self.within..).filter(|_| !bytes.is_empty());
            let missing = || damaged(format!("there is no byte {} in the piece", self.within), self.piece);
            let rest = rest.ok_or_else(missing)?;
            if rest.is_empty() {
                (self.piece, self.within) = (next, 0);
                continue;
            }
            let count = rest.len().min(length - taken.len());
            taken.extend(rest.iter().take(count));
            self.within += count;
        }
        Ok(taken)
    }
}
