//! `bootwright.on_failure` when the system runs already: it has lost its root for good.

use std::thread;
use std::time::Duration;

use bootwright_image::cmdline::{FailureAction, OnFailure};
use rustix::system::{RebootCommand, reboot};
use tracing::{error, warn};

/// The wait when the line names none: somebody may read the console.
const WAIT: Duration = Duration::from_secs(10);

/// File systems of the machine's own disks are given so long to be written.
const SYNC: Duration = Duration::from_secs(10);

/// Does it. Reads fail from now on, so an orderly end of the system cannot be hoped for.
pub fn act(on_failure: OnFailure) {
    let (command, word) = match on_failure.action {
        FailureAction::Reboot => (RebootCommand::Restart, "reboots"),
        FailureAction::Poweroff => (RebootCommand::PowerOff, "is switched off"),
        FailureAction::Shell => {
            warn!(
                "reads of what has not been fetched fail from now on; on_failure=shell: the system goes on"
            );
            return;
        }
    };
    let wait = on_failure.wait.unwrap_or(WAIT);
    error!("the machine {word} in {} s", wait.as_secs());
    thread::sleep(wait);
    // It may wait for a disk for ever.
    thread::spawn(rustix::fs::sync);
    thread::sleep(SYNC);
    if let Err(error) = reboot(command) {
        error!("the kernel refuses: {error}: the machine stays as it is");
    }
}
