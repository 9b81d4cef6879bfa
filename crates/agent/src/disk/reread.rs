//! Telling the kernel that a disk has another partition table: BLKRRPART (linux/fs.h).
//!
//! `unsafe` because rustix has no wrapper for this ioctl. It takes no argument.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

const BLKRRPART: libc::Ioctl = 0x125F;

/// Has the kernel read the table of `disk` anew. Fails while a partition of it is in use.
pub fn reread(disk: &File) -> io::Result<()> {
    // SAFETY: BLKRRPART takes no argument.
    match unsafe { libc::ioctl(disk.as_raw_fd(), BLKRRPART) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
