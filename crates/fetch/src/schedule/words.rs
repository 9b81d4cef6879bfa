//! The words that the scheduler and its driver exchange.

use std::ops::Range;
use std::time::Duration;

use crate::error::Fault;
use crate::retry::RetryPolicy;

/// A source, by its place in the list given to [`Scheduler::new`](super::Scheduler::new).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub usize);

/// One request to one source; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a source does with a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranges {
    /// It sends the range alone.
    Honoured,
    /// It sends everything from the start.
    Ignored,
}

/// What the scheduler knows of a source from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceInfo {
    /// The lowest number is asked first.
    pub priority: u8,
}

/// The limits of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// When a source is tried again.
    pub retry: RetryPolicy,
    /// Most chunks in one request, at least 1.
    pub span: u32,
    /// Most requests at one source at a time, at least 1.
    pub in_flight: u32,
    /// So often may a chunk come damaged from sources that are the only ones left.
    pub bad_chunk_limit: u32,
    /// A source that has sent so many chunks damaged is dropped, if it is not the only one left.
    pub bad_source_limit: u32,
}

/// How much mirrors shall do when there are peers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mirrors {
    /// All they can.
    #[default]
    Free,
    /// A little, from anywhere in the file: peers give too little, and other machines ask the same mirror.
    Sparing,
    /// Nothing new: peers give enough.
    Held,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The source's answer began.
    Answered {
        /// To which request.
        request: RequestId,
        /// Whether it sends what was asked for.
        ranges: Ranges,
    },
    /// All bytes of a chunk are here and are being verified. Tell it only of a chunk that
    /// [`Scheduler::wants`](super::Scheduler::wants).
    Arrived {
        /// By which request.
        request: RequestId,
        /// Which chunk.
        chunk: u32,
    },
    /// An arrived chunk has the right digest and is in its place.
    Stored {
        /// Which chunk.
        chunk: u32,
    },
    /// An arrived chunk has a wrong digest.
    Refused {
        /// Which chunk.
        chunk: u32,
    },
    /// Peers have been asked for a chunk.
    Taken {
        /// Which chunk.
        chunk: u32,
    },
    /// They are not any more, and it is not there.
    Returned {
        /// Which chunk.
        chunk: u32,
    },
    /// A chunk that peers were asked for is in its place.
    Given {
        /// Which chunk.
        chunk: u32,
    },
    /// The request is over.
    Ended {
        /// Which one.
        request: RequestId,
        /// Why it ended early; `None` when the source sent all it was asked for.
        fault: Option<Fault>,
    },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask `source` for the chunks of `span`.
    Request {
        /// The name of the new request.
        request: RequestId,
        /// Whom to ask.
        source: SourceId,
        /// Which chunks.
        span: Range<u32>,
    },
    /// Break this request off, and say nothing more of it: others bring what it still had to bring.
    Abandon {
        /// Which one.
        request: RequestId,
        /// What it was for.
        span: Range<u32>,
    },
    /// Nothing until the next event or, when given, that time.
    Wait(Option<Duration>),
    /// All chunks are stored.
    Complete,
    /// It cannot be done.
    Defeat(Defeat),
}

/// Why it cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defeat {
    /// All sources have been dropped.
    Exhausted,
    /// This chunk comes damaged from everybody.
    BadChunk(u32),
}
