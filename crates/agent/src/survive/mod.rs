//! A process of ours that goes on in the running system.
//!
//! PID 1 becomes the system's init, the worker ends; what shall still be there afterwards (a seeder, a block
//! server) is a *survivor*: the agent's own program, started by the worker before the new root is entered.
//!
//! ```text
//! worker                                       survivor: argv[0] is @bootwright-ROLE
//!   start(role, orders, files) ──orders, fds──▶ begin(): what to do, and the open files for it
//!                                               opens what else it needs; one thread
//!                              ◀────"ready"──── settle(rights): nothing ties it to the initrd any more
//!   switch_root …                               serves
//! ```
//!
//! What makes it survive:
//!
//! - Its name begins with `@`: systemd does not kill such a process at the end ([ROOT_STORAGE_DAEMONS]), as
//!   long as it is root's.
//! - It is [locked in memory](settle), so that it never waits for a disk, perhaps one that it serves.
//! - Its root is an empty directory in /run, it holds no file of the initial rootfs, its standard streams are
//!   /dev/null: the initial rootfs can go. Everything that it needs later it has open before it settles.
//! - Its program is the copy in /run, which the reports of the system use, too.
//!
//! The system's init reaps it. It has no controlling terminal and gets no signal but those sent to it.
//!
//! [ROOT_STORAGE_DAEMONS]: https://systemd.io/ROOT_STORAGE_DAEMONS/

mod channel;
mod settle;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::report::unit;

pub use settle::Rights;

/// How long a survivor may take to settle: it reads its orders and locks a few MiB.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of what a survivor says: one word, or why it cannot go on.
const MAX_ANSWER: u64 = 4096;

/// What a survivor says when it has settled.
const READY: &str = "ready";

/// Why nobody survives.
#[derive(Debug, thiserror::Error)]
pub enum SurviveError {
    /// A step of it.
    #[error("{0}")]
    Step(&'static str, #[source] io::Error),
    /// Orders that are none.
    #[error("reading the orders")]
    Orders(#[from] serde_json::Error),
    /// It told why.
    #[error("it says: {0:?}")]
    Refused(String),
}

/// Starts the program of the agent as `role` and gives it `orders` and `files`. Returns when it has settled.
/// Blocks for a moment, at most [`PATIENCE`].
pub fn start<T: Serialize>(role: &str, orders: &T, files: &[BorrowedFd<'_>]) -> Result<Pid, SurviveError> {
    let step = |step| move |error| SurviveError::Step(step, error);
    let (ours, theirs) = UnixStream::pair().map_err(step("making a channel"))?;
    // The copy in /run is there in the system anyway; the one in the initrd would be kept for us alone.
    let program = if Path::new(unit::AGENT).exists() { unit::AGENT } else { "/proc/self/exe" };
    let child = Command::new(program)
        .arg0(format!("@bootwright-{role}"))
        .arg(role)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(step("starting it"))?;
    ours.set_write_timeout(Some(PATIENCE)).map_err(step("preparing the channel"))?;
    ours.set_read_timeout(Some(PATIENCE)).map_err(step("preparing the channel"))?;
    let given = channel::give(&ours, &serde_json::to_vec(orders)?, files);
    given.map_err(step("giving it its orders"))?;
    let mut answer = String::new();
    (&ours).take(MAX_ANSWER).read_to_string(&mut answer).map_err(step("waiting for its answer"))?;
    match answer.as_str() {
        READY => Ok(Pid::from_child(&child)),
        other => Err(SurviveError::Refused(other.to_owned())),
    }
}

/// A survivor that has its orders, and has not settled yet.
pub struct Begun<T> {
    /// What to do.
    pub orders: T,
    /// Open files, in the order in which they were given.
    pub files: Vec<OwnedFd>,
    channel: UnixStream,
}

/// Takes the orders, in the survivor: its standard input is the channel.
pub fn begin<T: DeserializeOwned>() -> Result<Begun<T>, SurviveError> {
    let step = |step| move |error| SurviveError::Step(step, error);
    let channel = io::stdin().as_fd().try_clone_to_owned().map_err(step("taking the channel"))?;
    let channel = UnixStream::from(channel);
    channel.set_read_timeout(Some(PATIENCE)).map_err(step("preparing the channel"))?;
    let (orders, files) = channel::take(&channel).map_err(step("taking the orders"))?;
    Ok(Begun { orders: serde_json::from_slice(&orders)?, files, channel })
}

impl<T> Begun<T> {
    /// Lets go of the initrd and gives up `rights`, then tells the worker that the boot may go on. To be called
    /// while the process has one thread, and when everything is open that it will ever need.
    pub fn settle(self, rights: Rights) -> Result<(T, Vec<OwnedFd>), SurviveError> {
        let settled = settle::settle(rights);
        let answer = match &settled {
            Ok(()) => READY.to_owned(),
            Err(error) => crate::failure::chain(error),
        };
        let told = io::Write::write_all(&mut &self.channel, answer.as_bytes());
        settled?;
        told.map_err(|error| SurviveError::Step("answering", error))?;
        Ok((self.orders, self.files))
    }
}

/// An open file that was given.
pub fn file(files: &mut impl Iterator<Item = OwnedFd>) -> Result<File, SurviveError> {
    let missing = || SurviveError::Step("taking a file", io::ErrorKind::NotFound.into());
    files.next().map(File::from).ok_or_else(missing)
}
