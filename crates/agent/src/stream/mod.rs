//! Mode `stream`: the root is a block device from the first second, and its chunks are fetched when they are read.
//!
//! ```text
//! server ─ chunks ─▶ fetch: digests ─▶ root.img on a tmpfs ─▶ blocks ─ NBD ─▶ /dev/nbd0 ─▶ dm-linear [─▶ dm-verity] ─▶ root
//!                                          └────────── all there: /dev/loop0 ────────────────┘ the table is exchanged
//! ```
//!
//! The worker [opens] the stream by starting a [survivor](crate::survive), which fetches and answers the kernel for
//! as long as that is needed: reads demand their chunks and wait, the rest follows [when they pause](pace). When every
//! chunk is there, the table of the mapped device is exchanged: from then on the root is a file in memory, as in mode
//! `ram`, and the survivor ends.
//!
//! It never waits for what it serves: it is static, locked in memory, and has no file of the root open; the chunks
//! lie in a tmpfs, which is memory.
//!
//! While the boot is not over the two are tied by a socket: the survivor says [that it is ready or why it failed](Word),
//! and ends when the worker goes without having [entered](Streamed::entered) the root.
//!
//! [opens]: open

mod blocks;
mod fetching;
mod give_up;
mod habits;
mod mapping;
mod nbd;
mod pace;
mod prepared;
mod survivor;
mod trace;
mod worker;

use std::io::{BufRead as _, BufReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bootwright_image::Digest;
use bootwright_image::timeline::{MachineId, Step};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::failure::Failure;
use crate::network::Way;
use crate::survive;

pub use survivor::run;

/// The name of this role on the command line.
pub const ROLE: &str = "stream";

/// How long a read waits for its chunks: in that time a server can be restarted.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long it may take until there is a device: no chunk is needed for it but the first.
const UNTIL_READY: Duration = PATIENCE.saturating_add(Duration::from_secs(60));

/// Bytes of a [`Word`] as a line: a cause can be long.
const MAX_WORD: u64 = 64 << 10;

/// What the worker writes when the system takes over.
const ENTERED: u8 = b'e';

/// What the survivor is to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Orders {
    /// The root manifest, as it was fetched.
    pub manifest: String,
    /// The digest that it has to have.
    pub trusted: Digest,
    /// The root.
    pub url: Url,
    /// Where its chunks go: a file on a tmpfs with room for it.
    pub path: String,
    /// Bytes a second that other machines get, at most.
    pub upload: Option<u64>,
    /// How its server is reached.
    pub way: Way,
    /// This machine, for reports.
    pub machine: MachineId,
    /// Its image.
    pub image: Option<String>,
    /// Where reports go.
    pub report: Option<Url>,
}

/// What the survivor tells the worker, a line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// The root can be mounted.
    Ready {
        /// `/dev/dm-0`.
        device: String,
    },
    /// It cannot, or not any more.
    Failed {
        /// The step at which it happened.
        step: Step,
        /// Why.
        cause: String,
    },
}

/// A stream that is open.
pub struct Streamed {
    /// The device to mount.
    pub device: String,
    channel: BufReader<UnixStream>,
}

/// Starts the survivor and waits until there is a device. It takes part in the `swarm`, when there is one, and says on
/// the pipe when the root is whole. Blocks.
pub fn open(orders: &Orders, swarm: Option<(BorrowedFd<'_>, &PipeWriter)>) -> Result<Streamed, Failure> {
    let failed = |error: std::io::Error| Failure::of("a channel to the block server", &error);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let mut files = vec![theirs.as_fd()];
    files.extend(swarm.into_iter().flat_map(|(socket, pipe)| [socket, pipe.as_fd()]));
    survive::start(ROLE, orders, &files).map_err(|error| Failure::of("starting the block server", &error))?;
    drop(theirs);
    ours.set_read_timeout(Some(UNTIL_READY)).map_err(failed)?;
    let mut streamed = Streamed { device: String::new(), channel: BufReader::new(ours) };
    match streamed.hear() {
        Some(Word::Ready { device }) => Ok(Streamed { device, ..streamed }),
        Some(Word::Failed { step, cause }) => Err(Failure::new(cause).at(step)),
        None => {
            Err(Failure::new("the block server died before there was a device; the kernel log says more"))
        }
    }
}

impl Streamed {
    /// The system takes over: whatever happens to the stream from now on, the survivor deals with it.
    pub fn entered(self) -> Result<(), Failure> {
        let told = self.channel.get_ref().write_all(&[ENTERED]);
        told.map_err(|error| Failure::of("the block server has ended before the root was entered", &error))
    }

    /// Why the root could not be used: what the survivor says, or else what `failure` says.
    pub fn cause(mut self, failure: Failure) -> Failure {
        // What there is to say has been said before the kernel was given an error.
        let _ = self.channel.get_ref().set_nonblocking(true);
        match self.hear() {
            Some(Word::Failed { step, cause }) => Failure::new(cause).at(step).with([failure.cause]),
            _ => failure,
        }
    }

    fn hear(&mut self) -> Option<Word> {
        let mut line = String::new();
        self.channel.by_ref().take(MAX_WORD).read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}
