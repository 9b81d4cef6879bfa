//! `bootwright.on_failure`: what the machine does when it cannot boot.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use bootwright_image::cmdline::{FailureAction, OnFailure};
use rustix::system::{RebootCommand, reboot};
use tracing::{error, info};

use super::attempts;
use crate::rescue;

/// The wait after the first failure.
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// No wait is longer: an operator who has mended the server wants the fleet back within minutes.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Where a shell is looked for.
const SHELLS: &[&str] = &["/bin/sh", "/usr/bin/sh", "/bin/bash", "/bin/busybox"];

/// Does it, and never returns.
pub fn act_for_good(on_failure: OnFailure) -> ! {
    act(on_failure);
    // A PID 1 that has failed itself boots nothing any more.
    end(RebootCommand::Restart, "reboot", FIRST_WAIT)
}

/// Does it. Returns when somebody in the shell wants another boot.
pub fn act(on_failure: OnFailure) {
    let failures = attempts::count_one();
    match on_failure.action {
        FailureAction::Shell => {
            if shell() {
                return;
            }
        }
        FailureAction::Poweroff => {
            end(RebootCommand::PowerOff, "power off", on_failure.wait.unwrap_or_default())
        }
        FailureAction::Reboot => {}
    }
    let wait = on_failure.wait.unwrap_or_else(|| growing_wait(failures, fastrand::u32(0..=20)));
    end(RebootCommand::Restart, "reboot", wait)
}

/// Starts the machine anew, as it was told to.
pub fn restart() -> ! {
    end(RebootCommand::Restart, "reboot", Duration::ZERO)
}

/// Switches the machine off, as it was told to.
pub fn switch_off() -> ! {
    end(RebootCommand::PowerOff, "power off", Duration::ZERO)
}

/// Ten seconds, doubled with each failure in a row up to [`LONGEST_WAIT`], and up to 20 % more, so that a
/// fleet that failed together does not come back together.
fn growing_wait(failures: u32, jitter_percent: u32) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let wait = doubled.min(LONGEST_WAIT);
    wait + wait * jitter_percent / 100
}

fn end(command: RebootCommand, word: &str, wait: Duration) -> ! {
    info!("{word} in {} s", wait.as_secs());
    sleep(wait);
    rustix::fs::sync();
    let refused = reboot(command);
    error!("the kernel refuses to {word}: {refused:?}: the machine stays as it is");
    loop {
        sleep(Duration::from_secs(3600));
    }
}

/// A shell on the console; whether it was left for another boot. Without one the machine reboots.
fn shell() -> bool {
    let Some(path) = SHELLS.iter().find(|path| Path::new(path).exists()) else {
        error!("on_failure=shell, but the initrd has no shell (add one with --add): rebooting instead");
        return false;
    };
    if let Err(problem) = rescue::prepare() {
        error!("{problem}: the shell has no tool `bootwright`");
    }
    info!("a shell: `bootwright` is a tool for retry, network and log, `exit` reboots");
    super::mounts::take_console();
    match Command::new(path).arg0("sh").env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin").status() {
        Ok(status) => info!("the shell ended: {status}"),
        Err(error) => error!("starting {path}: {error}"),
    }
    rescue::wants_retry()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_ten_seconds_up_to_ten_minutes() {
        let waits: Vec<_> = (1..9).map(|failures| growing_wait(failures, 0).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(growing_wait(0, 0), FIRST_WAIT);
        assert_eq!(growing_wait(u32::MAX, 20).as_secs(), 720);
    }
}
