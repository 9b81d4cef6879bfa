//! A store that notices what is replaced by something else.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::store::Store;

/// Writes through to another store, and compares first.
pub(super) struct Witness {
    store: Arc<dyn Store>,
    changed: Mutex<Vec<u64>>,
}

impl Witness {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, changed: Mutex::default() }
    }

    /// The offsets at which other bytes were written than there were.
    pub(super) fn changed(&self) -> Vec<u64> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Store for Witness {
    fn name(&self) -> &str {
        self.store.name()
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        self.store.resize(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.store.size()
    }

    fn is_hole(&self, range: Range<u64>) -> io::Result<bool> {
        self.store.is_hole(range)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.store.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        let mut at = offset;
        let mut same = true;
        for piece in pieces {
            let mut there = vec![0; piece.len()];
            self.store.read_at(at, &mut there)?;
            same &= there == piece[..];
            at += piece.len() as u64;
        }
        if same {
            return Ok(());
        }
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).push(offset);
        self.store.write_at(offset, pieces)
    }

    fn write_zeros(&self, range: Range<u64>) -> io::Result<()> {
        self.store.write_zeros(range)
    }

    fn complete(&self) -> io::Result<()> {
        self.store.complete()
    }
}
