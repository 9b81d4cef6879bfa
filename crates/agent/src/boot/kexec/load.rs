//! kexec_file_load(2).
//!
//! `unsafe` because neither the standard library nor rustix has this call. It reads two descriptors and
//! one string, all of which outlive it.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;

use rustix::io::Errno;

/// There is no initrd; its descriptor is not looked at (linux/kexec.h).
const KEXEC_FILE_NO_INITRAMFS: libc::c_ulong = 4;

/// Why it did not load.
pub enum LoadError {
    /// A NUL in the command line.
    CommandLine,
    /// The kernel's answer.
    Refused(Errno),
}

/// Loads a kernel for the next `reboot(LINUX_REBOOT_CMD_KEXEC)`.
pub fn kexec_file_load(kernel: &File, initrd: Option<&File>, command_line: &str) -> Result<(), LoadError> {
    let command_line = CString::new(command_line).map_err(|_| LoadError::CommandLine)?;
    let (initrd_fd, flags) = match initrd {
        Some(initrd) => (initrd.as_raw_fd(), 0),
        None => (-1, KEXEC_FILE_NO_INITRAMFS),
    };
    // SAFETY: the descriptors are open files, the string is NUL-terminated and its length counts the NUL,
    // as kexec_file_load(2) asks; the kernel copies all of it before it returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            libc::c_long::from(kernel.as_raw_fd()),
            libc::c_long::from(initrd_fd),
            command_line.as_bytes_with_nul().len(),
            command_line.as_ptr(),
            flags,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(LoadError::Refused(
            std::io::Error::last_os_error().raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error),
        )),
    }
}
