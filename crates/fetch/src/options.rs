//! How a download is done, and what it tells while it runs.

use std::time::Duration;

use crate::error::Failure;
use crate::handle::Handle;
use crate::http::STALL_TIMEOUT;
use crate::retry::{Retries, RetryPolicy};
use crate::swarm::policy::Order;

/// Most bytes in one request. A request this long costs nothing against its transfer, and a source that
/// turns out bad or slow has not been given the whole file.
pub const SPAN: u64 = 16 << 20;

/// Most bytes in one request to a mirror when a tracker knows peers: what a mirror has been asked for, peers are
/// not, so it is asked for little at a time.
pub const SPAN_BESIDE_PEERS: u64 = 1 << 20;

/// Most requests at one source at a time: the second one fills the pause between two answers.
pub const IN_FLIGHT: u32 = 2;

/// So often may a chunk come damaged from sources that are the only ones left.
pub const BAD_CHUNK_LIMIT: u32 = 3;

/// A source that has sent so many chunks damaged is dropped, if it is not the only one left.
pub const BAD_SOURCE_LIMIT: u32 = 8;

/// How [`fetch()`](crate::fetch()) goes about it. [`Default`] suits a boot.
#[derive(Debug, Clone)]
pub struct Options {
    /// When a source is tried again.
    pub retry: RetryPolicy,
    /// See [`SPAN`].
    pub span: u64,
    /// See [`IN_FLIGHT`].
    pub in_flight: u32,
    /// See [`BAD_CHUNK_LIMIT`].
    pub bad_chunk_limit: u32,
    /// See [`BAD_SOURCE_LIMIT`].
    pub bad_source_limit: u32,
    /// See [`STALL_TIMEOUT`].
    pub stall: Duration,
    /// Which chunks peers are asked for first. Mirrors are asked in the order of the file.
    pub order: Order,
    /// A way to talk to the download while it runs.
    pub handle: Option<Handle>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            span: SPAN,
            in_flight: IN_FLIGHT,
            bad_chunk_limit: BAD_CHUNK_LIMIT,
            bad_source_limit: BAD_SOURCE_LIMIT,
            stall: STALL_TIMEOUT,
            order: Order::Rarest,
            handle: None,
        }
    }
}

impl Options {
    /// With other retries.
    pub fn with_retries(mut self, retries: Retries) -> Self {
        self.retry.retries = retries;
        self
    }
}

/// How far a download is, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Verified and in their place, whoever put them there.
    pub stored: u64,
    /// Of the file; 0 while nobody has said.
    pub total: u64,
    /// Part of `stored`: there from an earlier attempt, or zeros, which nobody needs to send.
    pub kept: u64,
    /// Part of `stored`: from peers.
    pub from_peers: u64,
    /// Sent to peers.
    pub to_peers: u64,
    /// Connected peers.
    pub peers: u32,
    /// Chunks that came damaged, from anybody.
    pub refused: u32,
}

/// What a running download tells.
#[derive(Debug)]
pub enum Notice<'a> {
    /// It got further.
    Progress(Progress),
    /// A source failed.
    Failed {
        /// How.
        failure: &'a Failure,
        /// When it is asked again; `None` when it is not.
        retry_in: Option<Duration>,
    },
}

/// Is told what happens, on the task that drives the download: it must not block.
pub type Observer<'a> = &'a mut (dyn FnMut(Notice<'_>) + Send);
