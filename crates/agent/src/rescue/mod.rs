//! `bootwright` in the rescue shell (`bootwright.on_failure=shell`): the agent's own program by another name.
//!
//! | command | |
//! |---|---|
//! | `bootwright retry` | leaves the shell and boots once more |
//! | `bootwright network` | the interfaces as they are: signal, addresses, routes, name servers |
//! | `bootwright log` | what the agent has said since the kernel started |
//!
//! PID 1 [prepares](prepare) the name before it starts the shell, and [asks](wants_retry) afterwards how that ended.

mod log;
mod network;

use std::fs::{remove_file, write};
use std::os::unix::fs::symlink;
use std::process::ExitCode;

use rustix::process::{Signal, getppid, kill_process};

/// By this name the program is the tool.
pub const NAME: &str = "bootwright";

/// Where the shell finds it.
const LINK: &str = "/bin/bootwright";

/// Where a wish for another boot is left for PID 1.
const RETRY: &str = "/run/bootwright/retry";

const USAGE: &str = "\
bootwright in the initrd: what can be done about a boot that has failed

  bootwright retry     leave this shell and boot once more
  bootwright network   the interfaces: signal, addresses, routes, name servers
  bootwright log       what the agent has said since the kernel started

`exit` reboots. Example: mend the server, then: bootwright retry
";

/// Whether the program was called by its other name.
pub fn is_called_by(program: Option<&str>) -> bool {
    program.and_then(|path| path.rsplit('/').next()) == Some(NAME)
}

/// Runs the tool.
pub fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let done = match arguments.next().as_deref() {
        Some("retry") => retry(),
        Some("network") => network::show(),
        Some("log") => log::show(),
        Some("--help" | "-h" | "help") => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("bootwright: {problem}");
            ExitCode::from(3)
        }
    }
}

/// Puts the tool where a shell finds it; what is wrong with that is told.
pub fn prepare() -> Result<(), String> {
    let _ = remove_file(RETRY);
    // /proc/self/exe of PID 1 is the agent, by whatever name the kernel has started it.
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let made = std::fs::create_dir_all("/bin").and_then(|()| match symlink(program, LINK) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    made.map_err(|error| format!("{LINK}: {error}"))
}

/// Whether the shell was left for another boot.
pub fn wants_retry() -> bool {
    remove_file(RETRY).is_ok()
}

/// Leaves the wish and ends the shell that it was typed in.
fn retry() -> Result<(), String> {
    std::fs::create_dir_all("/run/bootwright").map_err(|error| format!("/run/bootwright: {error}"))?;
    write(RETRY, "").map_err(|error| format!("{RETRY}: {error}"))?;
    match getppid() {
        // An interactive shell ends by SIGHUP, not by SIGTERM.
        Some(shell) if !shell.is_init() => {
            kill_process(shell, Signal::HUP).map_err(|error| format!("ending the shell: {error}"))
        }
        _ => Err("type `exit`: this shell cannot be ended from here".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_other_name_makes_it_the_tool() {
        assert!(is_called_by(Some("/bin/bootwright")) && is_called_by(Some("bootwright")));
        for other in [None, Some("/init"), Some("bootwright-agent"), Some("@bootwright-seed")] {
            assert!(!is_called_by(other), "{other:?}");
        }
    }
}
