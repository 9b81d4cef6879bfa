//! A program that runs beside the machines and is listened to.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, Transcript};

/// Where a copy of what is said goes.
pub type Copy = Box<dyn io::Write + Send>;

/// A running program with its standard output and error in one transcript. Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    child: Child,
    said: Transcript,
}

impl Service {
    /// Starts `command`, for example one from [`Lab::command`](crate::Lab::command); `copy` gets what it
    /// says, as it says it.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started.
    pub fn start(command: &mut Command, copy: Option<Copy>) -> Result<Self, Error> {
        let name = format!("starting {}", command.get_program().display());
        let (reader, writer) = io::pipe().map_err(Error::io("making a pipe"))?;
        let second = writer.try_clone().map_err(Error::io("making a pipe"))?;
        let child = command.stdin(Stdio::null()).stdout(writer).stderr(second).spawn();
        // The command keeps the pipe's ends open, and the transcript would never end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let said = Transcript::default();
        said.follow(reader, copy);
        Ok(Self { child: child.map_err(Error::io(name))?, said })
    }

    /// What it has said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.said
    }

    /// Kills it at once, without a chance to tidy up.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be waited for.
    pub fn kill(mut self) -> Result<ExitStatus, Error> {
        end(&mut self.child).map_err(Error::io("waiting for a killed program"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = end(&mut self.child);
    }
}

/// Kills a child. When that is the nsenter(1) that stands before a program in a lab, the program is killed
/// and nsenter ends by itself, so that nothing is left when this returns.
pub(crate) fn end(child: &mut Child) -> io::Result<ExitStatus> {
    let inner = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
    let inner: Vec<_> =
        inner.split(' ').filter_map(|pid| pid.parse().ok()).filter_map(Pid::from_raw).collect();
    if !inner.iter().any(|pid| kill_process(*pid, Signal::KILL).is_ok()) {
        child.kill()?;
    }
    child.wait()
}
