//! The place of a tree: a tmpfs that becomes the root itself.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::boot::SYSROOT;

/// An empty tmpfs for at most `room` bytes at [`SYSROOT`], in the place of one that an earlier attempt has begun to
/// fill.
pub fn fresh_tree(room: u64) -> io::Result<OwnedFd> {
    std::fs::create_dir_all(SYSROOT)?;
    let _ = unmount(SYSROOT, UnmountFlags::DETACH);
    let options = std::ffi::CString::new(format!("size={room},mode=0755"))?;
    // Set-uid programs and device nodes count in a root.
    mount("tmpfs", SYSROOT, "tmpfs", MountFlags::empty(), Some(options.as_c_str()))?;
    Ok(File::open(SYSROOT)?.into())
}
