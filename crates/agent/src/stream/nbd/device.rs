//! A network block device of the kernel whose server is this process, over a pair of Unix sockets.
//!
//! `unsafe` because rustix has no wrapper for these ioctls (linux/nbd.h). What they take is an integer: a
//! descriptor, a size or flags; the kernel takes a reference of its own to the socket.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const NBD_SET_SOCK: libc::Ioctl = 0xAB00;
const NBD_SET_BLKSIZE: libc::Ioctl = 0xAB01;
const NBD_DO_IT: libc::Ioctl = 0xAB03;
const NBD_SET_SIZE_BLOCKS: libc::Ioctl = 0xAB07;
const NBD_DISCONNECT: libc::Ioctl = 0xAB08;
const NBD_SET_FLAGS: libc::Ioctl = 0xAB0A;

const FLAG_HAS_FLAGS: libc::c_ulong = 1 << 0;
const FLAG_READ_ONLY: libc::c_ulong = 1 << 1;

/// Bytes of a block: that of a loop device, so that one can take the place of the other.
pub const BLOCK: u64 = 512;

/// Devices that are tried; the module makes 16.
const DEVICES: u32 = 64;

/// How long the kernel may take to give the device its size.
const PATIENCE: Duration = Duration::from_secs(20);

/// From one look at the size to the next.
const INTERVAL: Duration = Duration::from_millis(2);

/// A step that failed, and how.
type Failed = (&'static str, io::Error);

/// A device that nobody uses.
pub struct NbdDevice {
    device: File,
    /// `/dev/nbdN`.
    pub path: String,
}

impl NbdDevice {
    /// Takes the first free one.
    pub fn open() -> Result<Self, Failed> {
        let free = |number: &u32| {
            let sys = format!("/sys/block/nbd{number}");
            // The file `pid` is there while a device has a server.
            Path::new(&sys).exists() && !Path::new(&sys).join("pid").exists()
        };
        let number = (0..DEVICES).find(free);
        let number = number.ok_or(("a free network block device", io::ErrorKind::NotFound.into()))?;
        let path = format!("/dev/nbd{number}");
        let device = OpenOptions::new().read(true).write(true).open(&path);
        Ok(Self { device: device.map_err(|error| ("open the network block device", error))?, path })
    }

    /// The device itself.
    pub fn file(&self) -> &File {
        &self.device
    }

    /// Gives it `size` bytes, a multiple of [`BLOCK`], to be asked for at the other end of `kernel`. It answers
    /// nobody until [`run`](Self::run).
    ///
    /// No time-out is set: a read waits for as long as its server does.
    pub fn connect(&self, kernel: &UnixStream, size: u64) -> Result<(), Failed> {
        let number = |value: u64| libc::c_ulong::try_from(value).unwrap_or(libc::c_ulong::MAX);
        let socket = number(u64::from(kernel.as_raw_fd().unsigned_abs()));
        self.call(NBD_SET_BLKSIZE, number(BLOCK)).map_err(|error| ("NBD_SET_BLKSIZE", error))?;
        self.call(NBD_SET_SIZE_BLOCKS, number(size / BLOCK))
            .map_err(|error| ("NBD_SET_SIZE_BLOCKS", error))?;
        self.call(NBD_SET_FLAGS, FLAG_HAS_FLAGS | FLAG_READ_ONLY)
            .map_err(|error| ("NBD_SET_FLAGS", error))?;
        self.call(NBD_SET_SOCK, socket).map_err(|error| ("NBD_SET_SOCK", error))
    }

    /// Lets it work, until the connection ends.
    pub fn run(&self) -> io::Result<()> {
        self.call(NBD_DO_IT, 0)
    }

    /// Waits until it has its `size`, which [`run`](Self::run) gives it in another thread.
    pub fn wait_for_size(&self, size: u64) -> Result<(), Failed> {
        let begun = Instant::now();
        loop {
            let found = (&self.device).seek(SeekFrom::End(0)).map_err(|error| ("NBD_DO_IT", error))?;
            if found == size {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(("NBD_DO_IT", io::ErrorKind::TimedOut.into()));
            }
            thread::sleep(INTERVAL);
        }
    }

    /// Says goodbye; reads that are not answered yet fail.
    pub fn disconnect(&self) -> io::Result<()> {
        self.call(NBD_DISCONNECT, 0)
    }

    fn call(&self, command: libc::Ioctl, argument: libc::c_ulong) -> io::Result<()> {
        // SAFETY: each of these commands takes an integer and no pointer.
        match unsafe { libc::ioctl(self.device.as_raw_fd(), command, argument) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}
