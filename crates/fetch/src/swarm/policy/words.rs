//! The words that the policy and its driver exchange.

use std::time::Duration;

use crate::swarm::Bits;

/// One connection to a peer; never used twice in one swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// Part of a chunk: what one request asks for and one piece message carries (BEP 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// Index of the chunk, BEP 3's piece.
    pub chunk: u32,
    /// First byte, from the start of the chunk.
    pub begin: u32,
    /// Bytes.
    pub length: u32,
}

/// What peers say to each other beside the bytes themselves (BEP 3, BEP 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Talk {
    /// Requests are not answered from now on.
    Choke,
    /// They are.
    Unchoke,
    /// The sender wants chunks that the receiver has.
    Interested,
    /// It does not, or no longer.
    NotInterested,
    /// The sender has this chunk.
    Have(u32),
    /// The sender has these. Only as the first message.
    Bitfield(Bits),
    /// As a full bitfield (BEP 6).
    HaveAll,
    /// As an empty one (BEP 6).
    HaveNone,
    /// Send me this block.
    Request(Block),
    /// It is no longer wanted.
    Cancel(Block),
    /// It will not be sent (BEP 6).
    Reject(Block),
}

/// A peer that has shaken hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// It knows BEP 6: a request that is not answered with a block is rejected.
    pub fast: bool,
    /// Most requests it holds at a time (`reqq` of BEP 10).
    pub requests: u32,
    /// It says that it has everything and tells it piece by piece: the origin of a fleet.
    pub origin: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A connection is up.
    Joined(PeerId, Greeting),
    /// A peer has said more of itself: how many requests it holds, whether it is the origin.
    Introduced(PeerId, Option<u32>, bool),
    /// A connection has ended.
    Left(PeerId),
    /// A peer said something.
    Told(PeerId, Talk),
    /// A block that was to be uploaded has been taken by the network.
    Sent(PeerId, Block),
    /// A chunk is right and in its place, whoever sent it.
    Stored(u32),
    /// The chunk that this peer sent has a wrong digest.
    Refused(PeerId, u32),
    /// Somebody who is no peer fetches this chunk: a mirror.
    Claimed(u32),
    /// He does not any more, and it is not stored.
    Released(u32),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Say this to the peer.
    Tell(PeerId, Talk),
    /// Send the peer this block, and say [`Event::Sent`] when the network has taken it.
    Upload(PeerId, Block),
    /// Say this to every peer.
    TellAll(Talk),
    /// Throw away what has come of this chunk from this peer.
    Forget(PeerId, u32),
    /// A peer has been asked for this chunk: mirrors need not be.
    Took(u32),
    /// No peer is asked for it any more, and it is not there.
    Returned(u32),
    /// Break the connection off.
    Drop(PeerId, Fall),
}

/// What became of a block that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// Nobody asked for it, or it is there already: throw it away.
    Unwanted,
    /// Keep it: more of the chunk is to come from this peer.
    Part,
    /// Keep it: the chunk is whole and to be verified.
    Whole,
}

/// Why the policy wants to be rid of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fall {
    /// It sent damaged chunks.
    #[error("it sent {0} damaged chunks")]
    Damaged(u32),
    /// It promised blocks and did not send them.
    #[error("it left requests unanswered {0} times")]
    Stalled(u32),
    /// It said what the protocol forbids.
    #[error("{0}")]
    Broken(&'static str),
    /// It talks without end and says nothing new.
    #[error("it sends messages without use")]
    Noise,
    /// Both sides have everything.
    #[error("both have everything")]
    Done,
}

/// Which chunks come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The rarest in the swarm, equal ones at random: what a fleet is fastest with.
    #[default]
    Rarest,
    /// The first in the file.
    Sequential,
}

/// How peers are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manners {
    /// As machines of one fleet: nobody is choked, nothing is paid back.
    #[default]
    Fleet,
    /// As strangers who trade (BEP 3): those who give are served, and one by chance.
    Strangers,
}

/// The limits of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a chunk.
    pub chunk: u32,
    /// Bytes of the whole file.
    pub size: u64,
    /// Bytes in a request.
    pub block: u32,
    /// Most bytes that may be under way to us: what incomplete chunks may take in memory.
    pub under_way: u64,
    /// Uploads that run side by side.
    pub uploads: usize,
    /// Blocks that a peer may have waiting for us to send.
    pub queue: usize,
    /// A peer that owes us blocks and sends none for that long has stalled.
    pub stall: Duration,
    /// So many damaged chunks, and a peer is dropped.
    pub damaged: u32,
    /// So many stalls, and a peer is dropped.
    pub stalls: u32,
    /// How peers are treated.
    pub manners: Manners,
}

/// BEP 3's request size that every client accepts.
pub const BLOCK: u32 = 16 << 10;

/// Blocks that may wait for one peer: aria2, transmission and libtorrent ask for 250 to 500 at most
/// when told no other limit.
pub const QUEUE: usize = 512;

/// Uploads side by side. Fewer leave an uplink idle when two senders meet at one receiver, more delay the
/// first receiver that could pass a chunk on; the simulation is flat from 6 to 10.
pub const UPLOADS: usize = 6;

/// Bytes of incomplete chunks. A quarter of the memory that a machine may spend on a download.
pub const UNDER_WAY: u64 = 16 << 20;

impl Limits {
    /// The usual limits for a file of `size` bytes in chunks of `chunk`.
    pub fn new(size: u64, chunk: u32) -> Self {
        Self {
            chunk: chunk.max(1),
            size,
            block: BLOCK,
            under_way: UNDER_WAY,
            uploads: UPLOADS,
            queue: QUEUE,
            stall: Duration::from_secs(8),
            damaged: 3,
            stalls: 3,
            manners: Manners::Fleet,
        }
    }

    /// The limits among strangers, whose pieces may be large and whose links may be slow.
    pub fn among_strangers(size: u64, chunk: u32) -> Self {
        let under_way = UNDER_WAY.max(4 * u64::from(chunk));
        let stall = Duration::from_secs(30);
        Self { under_way, stall, manners: Manners::Strangers, ..Self::new(size, chunk) }
    }

    /// Number of chunks.
    pub fn chunks(&self) -> u32 {
        u32::try_from(self.size.div_ceil(u64::from(self.chunk))).unwrap_or(u32::MAX)
    }

    /// Bytes in chunk `index`; nothing past the end.
    pub fn length(&self, index: u32) -> u32 {
        let start = u64::from(index) * u64::from(self.chunk);
        // At most `chunk`.
        self.size.saturating_sub(start).min(u64::from(self.chunk)) as u32
    }

    /// Block number `at` of chunk `index`.
    pub fn block(&self, index: u32, at: u32) -> Block {
        let begin = at.saturating_mul(self.block);
        Block { chunk: index, begin, length: self.length(index).saturating_sub(begin).min(self.block) }
    }

    /// Blocks in chunk `index`.
    pub fn blocks(&self, index: u32) -> u32 {
        self.length(index).div_ceil(self.block.max(1))
    }
}
