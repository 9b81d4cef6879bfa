//! An open block device, and its number.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use super::{BootError, file_error};

/// A block device. A loop device lives as long as this value, a mount of it or a device that is made of it.
pub struct BlockDevice {
    /// `/dev/loop0`.
    pub path: String,
    /// Its number.
    pub number: Number,
    _device: File,
}

impl BlockDevice {
    /// The device at `path`.
    pub fn open(path: &str) -> Result<Self, BootError> {
        let device = File::open(path).map_err(file_error(path))?;
        Self::opened(path.to_owned(), device)
    }

    /// The device that was opened as `path`.
    pub fn opened(path: String, device: File) -> Result<Self, BootError> {
        let number = Number::of(&device).map_err(file_error(&path))?;
        Ok(Self { path, number, _device: device })
    }
}

/// A block device's number, which stays right whatever becomes of `/dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// The kind of device.
    pub major: u32,
    /// Which one of that kind.
    pub minor: u32,
}

impl Number {
    /// Of an open device.
    pub fn of(device: &File) -> io::Result<Self> {
        let metadata = device.metadata()?;
        if !metadata.file_type().is_block_device() {
            return Err(io::Error::other("not a block device"));
        }
        Ok(Self::from_dev(metadata.rdev()))
    }

    /// As stat(2) has it.
    pub fn from_dev(dev: u64) -> Self {
        Self { major: rustix::fs::major(dev), minor: rustix::fs::minor(dev) }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_block_device_has_no_number() {
        assert!(Number::of(&File::open("/dev/null").unwrap()).is_err());
        assert_eq!(Number::from_dev(0x0700 + 3), Number { major: 7, minor: 3 });
    }
}
