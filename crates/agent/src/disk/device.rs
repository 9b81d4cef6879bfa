//! A partition, or a whole disk, that is read and written; every failure names it and the byte.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bootwright_formats::ReadAt;

/// Bytes of zeros that are written at once.
const ZEROS: usize = 256 << 10;

/// A disk that does not do what it is told.
#[derive(Debug, thiserror::Error)]
#[error("{device}, byte {offset}: {doing} failed")]
pub struct DeviceError {
    /// `/dev/sda3`.
    pub device: String,
    /// Where.
    pub offset: u64,
    /// What was done.
    pub doing: &'static str,
    /// What the kernel said.
    pub source: io::Error,
}

/// An open block device.
#[derive(Debug)]
pub struct Device {
    path: String,
    file: File,
    size: u64,
}

impl Device {
    /// Opens the device at `path`.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let device = path.display().to_string();
        let failed = |doing| {
            let device = device.clone();
            move |source| DeviceError { device, offset: 0, doing, source }
        };
        let mut file =
            OpenOptions::new().read(true).write(true).open(path).map_err(failed("opening it to write"))?;
        let size = io::Seek::seek(&mut file, io::SeekFrom::End(0)).map_err(failed("asking for its size"))?;
        Ok(Self { path: device, file, size })
    }

    /// `/dev/sda3`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Fills `buffer` from `offset` on.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.file.read_exact_at(buffer, offset).map_err(self.failed(offset, "reading"))
    }

    /// Writes `bytes` at `offset`; they are on the disk after [`sync`](Self::sync).
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.file.write_all_at(bytes, offset).map_err(self.failed(offset, "writing"))
    }

    /// Writes `length` zeros at `offset`.
    pub fn write_zeros(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        let zeros = vec![0; ZEROS];
        let mut done = 0;
        while done < length {
            let now = zeros.get(..usize::try_from(length - done).unwrap_or(ZEROS).min(ZEROS));
            let now = now.unwrap_or(&zeros);
            self.write(offset + done, now)?;
            done += now.len() as u64;
        }
        Ok(())
    }

    /// Waits until all that was written has reached the disk. The kernel does not say where it failed.
    pub fn sync(&self) -> Result<(), DeviceError> {
        self.file.sync_data().map_err(self.failed(0, "waiting for what was written to reach the disk"))
    }

    fn failed(&self, offset: u64, doing: &'static str) -> impl FnOnce(io::Error) -> DeviceError {
        let device = self.path.clone();
        move |source| DeviceError { device, offset, doing, source }
    }
}

impl ReadAt for Device {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
}
