//! How often in a row this machine has failed to boot.
//!
//! The count has to survive the reboot. The one place that does on every UEFI machine is a variable of
//! the firmware, `BootwrightFailures`: 4 bytes of attributes, as efivarfs wants them, and the count as a
//! little-endian u32. It is written once per failure, whose waits grow to ten minutes, and removed by the
//! first boot that succeeds. Machines without UEFI variables count from one each time.

use std::fs::{File, read, remove_file, write};
use std::path::{Path, PathBuf};

use rustix::fs::IFlags;

/// Our vendor GUID for firmware variables.
const VARIABLE: &str = "/sys/firmware/efi/efivars/BootwrightFailures-3d1f7e5a-9c0b-4b6e-8a57-6f0c2e4d91b3";

/// Non-volatile, boot services, runtime (UEFI 2.10, 8.2.1).
const ATTRIBUTES: [u8; 4] = 7u32.to_le_bytes();

/// Counts this failure and gives the number of failures in a row, this one included.
pub fn count_one() -> u32 {
    count_one_in(Path::new(VARIABLE))
}

/// The boot succeeded.
pub fn forget() {
    if Path::new(VARIABLE).exists() {
        make_mutable(Path::new(VARIABLE));
        // It costs the next failure a longer wait, nothing else.
        let _ = remove_file(VARIABLE);
    }
}

fn count_one_in(path: &Path) -> u32 {
    let before = read(path).ok().and_then(|bytes| decode(&bytes)).unwrap_or(0);
    let count = before.saturating_add(1);
    make_mutable(path);
    let parent: Option<PathBuf> = path.parent().map(Into::into);
    if parent.is_some_and(|directory| directory.exists()) {
        // A firmware that is full or read-only: the count starts anew, the boot is tried all the same.
        let _ = write(path, [ATTRIBUTES, count.to_le_bytes()].concat());
    }
    count
}

fn decode(bytes: &[u8]) -> Option<u32> {
    bytes.get(4..8).and_then(|count| count.try_into().ok()).map(u32::from_le_bytes)
}

/// efivarfs protects variables that it does not know by the immutable flag.
fn make_mutable(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    if let Ok(flags) = rustix::fs::ioctl_getflags(&file) {
        let _ = rustix::fs::ioctl_setflags(&file, flags & !IFlags::IMMUTABLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_counted_and_garbage_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("variable");
        assert_eq!(count_one_in(&path), 1);
        assert_eq!(count_one_in(&path), 2);
        assert_eq!(read(&path).unwrap(), [7, 0, 0, 0, 2, 0, 0, 0]);
        write(&path, [1, 2, 3]).unwrap();
        assert_eq!(count_one_in(&path), 1);
    }

    #[test]
    fn without_variables_each_failure_is_the_first() {
        let path = Path::new("/nonexistent/variable");
        assert_eq!((count_one_in(path), count_one_in(path)), (1, 1));
    }
}
