//! What the kernel does when it panics: by default it stands still for ever, and with it a machine that
//! nobody watches. While the agent runs, it reboots instead; the system gets its setting back.

use std::fs::{read_to_string, write};

const SETTING: &str = "/proc/sys/kernel/panic";

/// Seconds between a panic and the reboot: long enough to read the console.
const SECONDS: &str = "60";

/// The setting as it was.
#[derive(Debug, Clone, Copy)]
pub struct PanicTimeout {
    changed: bool,
}

impl PanicTimeout {
    /// Makes a panic end in a reboot, unless `panic=` on the command line has said something.
    pub fn set() -> Self {
        let unset = read_to_string(SETTING).is_ok_and(|text| text.trim() == "0");
        Self { changed: unset && write(SETTING, SECONDS).is_ok() }
    }

    /// Puts it back.
    pub fn restore(self) {
        if self.changed {
            // The system would only reboot where it would have stood still.
            let _ = write(SETTING, "0");
        }
    }
}
