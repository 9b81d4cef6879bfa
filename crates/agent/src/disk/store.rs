//! A root in the cache as a place for verified bytes.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bootwright_fetch::Store;
use bootwright_formats::cache::Generation;
use bytes::Bytes;

use super::device::{Device, DeviceError};

/// What lies at a place from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing of this root: it need not be looked at.
    Nothing,
    /// Perhaps a part of it: what is right is kept.
    Perhaps,
}

/// The bytes of one root on the device.
pub struct RootStore {
    device: Arc<Device>,
    name: String,
    range: Range<u64>,
    before: Before,
}

impl RootStore {
    /// Where `generation` lies on `device`.
    pub fn new(device: &Arc<Device>, generation: &Generation, before: Before) -> Self {
        let range = generation.root_range();
        let name = format!("{} from byte {}", device.path(), range.start);
        Self { device: Arc::clone(device), name, range, before }
    }

    /// Where `length` bytes at `offset` of the root are on the device.
    fn at(&self, offset: u64, length: u64) -> io::Result<u64> {
        let start = self.range.start.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(length)).filter(|end| *end <= self.range.end);
        match (start, end) {
            (Some(start), Some(_)) => Ok(start),
            _ => Err(io::Error::other("past the end of the root's place")),
        }
    }
}

fn told(error: DeviceError) -> io::Error {
    io::Error::new(error.source.kind(), format!("{error}: {}", error.source))
}

impl Store for RootStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        self.at(0, size).map(drop)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.range.end - self.range.start)
    }

    fn is_hole(&self, _range: Range<u64>) -> io::Result<bool> {
        Ok(self.before == Before::Nothing)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let at = self.at(offset, buffer.len() as u64)?;
        match self.device.read(at, buffer) {
            // A sector that cannot be read any more is written anew, like one with wrong bytes.
            Err(error) if error.source.raw_os_error() == Some(libc::EIO) => {
                buffer.fill(0);
                Ok(())
            }
            read => read.map_err(told),
        }
    }

    fn write_at(&self, mut offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            self.device.write(self.at(offset, piece.len() as u64)?, piece).map_err(told)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    fn write_zeros(&self, range: Range<u64>) -> io::Result<()> {
        let length = range.end.saturating_sub(range.start);
        self.device.write_zeros(self.at(range.start, length)?, length).map_err(told)
    }

    fn complete(&self) -> io::Result<()> {
        self.device.sync().map_err(told)
    }
}
