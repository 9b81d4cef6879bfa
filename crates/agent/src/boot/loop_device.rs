//! A file as a block device: LOOP_CTL_GET_FREE and LOOP_CONFIGURE (linux/loop.h, Linux 5.8).
//!
//! `unsafe` because rustix has no wrapper for these two ioctls. What they take is an integer and one
//! structure without pointers, laid out below as the kernel has it; nothing outlives the calls.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};

use super::BootError;
use super::block_device::BlockDevice;

const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;

const LO_FLAGS_READ_ONLY: u32 = 1;
/// The device is detached when its last user is gone.
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// Another program may take the free device before we do; so often is the next one tried.
const MAX_ATTEMPTS: usize = 16;

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo64 {
    lo_device: u64,
    lo_inode: u64,
    lo_rdevice: u64,
    lo_offset: u64,
    lo_sizelimit: u64,
    lo_number: u32,
    lo_encrypt_type: u32,
    lo_encrypt_key_size: u32,
    lo_flags: u32,
    lo_file_name: [u8; 64],
    lo_crypt_name: [u8; 64],
    lo_encrypt_key: [u8; 32],
    lo_init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopInfo64>() == 232 && size_of::<LoopConfig>() == 304);

/// Bytes of a sector: a loop device has only whole ones.
const SECTOR: u64 = 512;

/// A file that can be attached, at once or when `/dev` is out of reach.
pub struct Attachable {
    path: String,
    /// The bytes of the file that the device has; all of them when it is empty.
    part: Range<u64>,
    backing: File,
    control: File,
    /// `/dev`.
    directory: File,
}

impl Attachable {
    /// The file at `path`.
    pub fn open(path: &Path) -> Result<Self, BootError> {
        let path = path.display().to_string();
        let failed = |step| {
            let path = path.clone();
            move |source| BootError::Loop { path, step, source }
        };
        let backing = File::open(&path).map_err(failed("open"))?;
        let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control");
        let control = control.map_err(failed("open /dev/loop-control"))?;
        let directory = File::open("/dev").map_err(failed("open /dev"))?;
        Ok(Self { path, part: 0..0, backing, control, directory })
    }

    /// No more than `part` of the file is the device.
    pub fn part(self, part: Range<u64>) -> Self {
        Self { part, ..self }
    }

    /// Attaches it, read-only.
    pub fn attach(&self) -> Result<BlockDevice, BootError> {
        let failed = |step| {
            let path = self.path.clone();
            move |source| BootError::Loop { path, step, source }
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let number = free_number(&self.control).map_err(failed("LOOP_CTL_GET_FREE"))?;
            let name = format!("loop{number}");
            let device = openat(&self.directory, &*name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            let device = File::from(device.map_err(|error| failed("open the device")(error.into()))?);
            match configure(&device, &self.backing, &self.part) {
                Ok(()) => return BlockDevice::opened(format!("/dev/{name}"), device),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) && attempts < MAX_ATTEMPTS => {}
                Err(error) => return Err(failed("LOOP_CONFIGURE")(error)),
            }
        }
    }
}

fn free_number(control: &File) -> io::Result<i32> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument.
    match unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) } {
        -1 => Err(io::Error::last_os_error()),
        number => Ok(number),
    }
}

fn configure(device: &File, backing: &File, part: &Range<u64>) -> io::Result<()> {
    let config = LoopConfig {
        fd: u32::try_from(backing.as_raw_fd()).map_err(io::Error::other)?,
        block_size: 0,
        info: LoopInfo64 {
            lo_device: 0,
            lo_inode: 0,
            lo_rdevice: 0,
            lo_offset: part.start,
            lo_sizelimit: (part.end - part.start).next_multiple_of(SECTOR),
            lo_number: 0,
            lo_encrypt_type: 0,
            lo_encrypt_key_size: 0,
            lo_flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
            lo_file_name: file_name(),
            lo_crypt_name: [0; 64],
            lo_encrypt_key: [0; 32],
            lo_init: [0; 2],
        },
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one `struct loop_config` and keeps no reference to it; `config` has its
    // size, checked above, and lives until the call is over.
    match unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// What losetup shows.
fn file_name() -> [u8; 64] {
    let mut name = [0; 64];
    for (to, from) in name.iter_mut().zip(b"bootwright-root") {
        *to = *from;
    }
    name
}
