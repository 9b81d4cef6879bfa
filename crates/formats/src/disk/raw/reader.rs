//! The reader.

use crate::{Extent, ReadAt, Shared};

/// A raw disk.
pub struct Raw {
    /// Its bytes.
    pub bytes: Shared,
}

impl ReadAt for Raw {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.bytes.read_at(offset, buffer)
    }

    fn extent(&self, offset: u64) -> std::io::Result<Extent> {
        self.bytes.extent(offset)
    }
}
