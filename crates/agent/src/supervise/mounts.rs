//! What has to be mounted before anything else can be done.

use std::ffi::CStr;
use std::fs::{OpenOptions, create_dir_all, write};

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// Flags of a file system that holds no programs and no devices.
const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
const NOEXEC: MountFlags = PLAIN.union(MountFlags::NOEXEC);

/// File system, where, flags, options; in the order in which they depend on each other.
const MOUNTS: &[(&str, &str, MountFlags, Option<&CStr>)] = &[
    ("proc", "/proc", NOEXEC, None),
    ("sysfs", "/sys", NOEXEC, None),
    ("devtmpfs", "/dev", MountFlags::NOSUID, Some(c"mode=0755")),
    (
        "devpts",
        "/dev/pts",
        MountFlags::NOSUID.union(MountFlags::NOEXEC),
        Some(c"gid=5,mode=620,ptmxmode=000"),
    ),
    ("tmpfs", "/dev/shm", PLAIN, Some(c"mode=1777")),
    ("tmpfs", "/run", PLAIN, Some(c"mode=0755")),
    ("tmpfs", "/tmp", PLAIN, Some(c"mode=1777")),
];

/// Mounts them and takes the console for standard input, output and error. Gives a line for each that
/// could not be had: the boot may still succeed, and nobody could read a message yet.
pub fn early() -> Vec<String> {
    let mut problems = Vec::new();
    for (kind, target, flags, options) in MOUNTS {
        // The kernel may have mounted /dev itself (CONFIG_DEVTMPFS_MOUNT): EBUSY.
        let made = create_dir_all(target).map_err(|error| error.to_string());
        let mounted = made.and_then(|()| match mount(*kind, *target, *kind, *flags, *options) {
            Ok(()) | Err(Errno::BUSY) => Ok(()),
            Err(error) => Err(error.to_string()),
        });
        if let Err(error) = mounted {
            problems.push(format!("mounting {kind} at {target}: {error}"));
        }
    }
    take_console();
    // Without this the kernel drops all but ten lines in five seconds of what we write to its log. It
    // refuses when the command line has fixed the setting.
    let _ = write("/proc/sys/kernel/printk_devkmsg", "on\n");
    problems
}

/// An initrd without /dev/console starts PID 1 with no descriptors at all.
pub fn take_console() {
    let Ok(console) = OpenOptions::new().read(true).write(true).open("/dev/console") else { return };
    // There is nowhere to complain to.
    let _ = dup2_stdin(&console);
    let _ = dup2_stdout(&console);
    let _ = dup2_stderr(&console);
}
