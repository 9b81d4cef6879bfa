//! One attempt at one source that went wrong, with the evidence.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use super::explain;
use bootwright_image::Digest;
use bootwright_image::torrent::InfoHash;

use crate::dns;
use crate::layout::ChunkDigest;
use crate::swarm::policy::Fall;
use crate::swarm::wire::WireError;

/// What one source did wrong, when it was last tried.
#[derive(Debug, thiserror::Error)]
#[error("{source_name}{}{}", tried(.address), at_byte(.offset))]
pub struct Failure {
    /// The URL or path that was asked, after redirects.
    pub source_name: Box<str>,
    /// The address that was connected to.
    pub address: Option<SocketAddr>,
    /// The byte of the file at which it happened.
    pub offset: Option<u64>,
    /// What happened.
    #[source]
    pub cause: Cause,
}

fn tried(address: &Option<SocketAddr>) -> String {
    address.map(|address| format!(" at {address}")).unwrap_or_default()
}

fn at_byte(offset: &Option<u64>) -> String {
    offset.map(|offset| format!(", byte {offset}")).unwrap_or_default()
}

/// What happened to one attempt.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The host name has no address.
    #[error("the name does not resolve")]
    Dns(#[source] dns::Error),
    /// No connection, at any address of the host.
    #[error("no connection: {}", connects(.0))]
    Connect(Vec<(SocketAddr, io::Error)>),
    /// The TLS handshake failed in a way that another attempt may not.
    #[error("TLS handshake")]
    Handshake(#[source] io::Error),
    /// The server's certificate is not accepted.
    #[error("the server's certificate is refused: {0}")]
    Certificate(String),
    /// The server answered with an error.
    #[error("HTTP status {status}{}", asks(.retry_after))]
    Status {
        /// The status code.
        status: u16,
        /// The server's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// Redirects that lead nowhere.
    #[error("redirect to {to}: {why}")]
    Redirect {
        /// Where the last one pointed.
        to: String,
        /// Why it is not followed.
        why: &'static str,
    },
    /// The answer contradicts the request or itself.
    #[error("wrong answer: {0}")]
    Answer(String),
    /// The server has another file than the one wanted.
    #[error("the file has {found} bytes there, wanted are {wanted}")]
    Size {
        /// Bytes wanted.
        wanted: u64,
        /// Bytes that the server says it has.
        found: u64,
    },
    /// The file was exchanged while it was being fetched.
    #[error("the file changed during the download: its ETag was {before}, now it is {now}")]
    Changed {
        /// ETag at the first request.
        before: String,
        /// ETag of this answer, or what stands for it.
        now: String,
    },
    /// An FTP server answered with an error.
    #[error("FTP answer {code}: {text}")]
    Ftp {
        /// Its code (RFC 959 section 4.2).
        code: u32,
        /// What it says.
        text: String,
    },
    /// The proxy does not let us through.
    #[error("the proxy {proxy} fails: {what}")]
    Proxy {
        /// Its host and port.
        proxy: String,
        /// The status of its answer.
        status: Option<u16>,
        /// What it says.
        what: String,
    },
    /// It is left alone because a peer says so.
    #[error("{peer} says that it asks to come back in {} s", .wait.as_secs())]
    Hearsay {
        /// Who says it.
        peer: String,
        /// How long it asks to be left alone.
        wait: Duration,
    },
    /// The connection ended before all bytes were there.
    #[error("the connection ended {missing} bytes early")]
    Truncated {
        /// Bytes that did not come.
        missing: u64,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No byte came for a while.
    #[error("no byte for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// Reading a local file.
    #[error("reading failed")]
    Io(#[source] io::Error),
    /// A URL that cannot be asked.
    #[error("this URL cannot be fetched: {0}")]
    Url(String),
    /// A peer said what no client may say.
    #[error("it breaks the BitTorrent protocol")]
    Wire(#[source] WireError),
    /// The metadata that a peer sends is not that of the torrent: it has this hash.
    #[error("its metadata is that of the torrent {0}, another one")]
    Metadata(InfoHash),
    /// The swarm does without this peer.
    #[error("the peer is dropped: {0}")]
    Peer(Fall),
    /// All of the file, from this source alone, is another one.
    #[error("{0}")]
    Digest(Box<WrongFile>),
    /// A part of a file differs from that of another source, whose file as a whole is the right one.
    #[error("its part is another one than that of {right}, whose file has the right digest")]
    Contradicts {
        /// Who has the right one.
        right: String,
    },
    /// The bytes are not the right ones.
    #[error("{0}")]
    Corrupt(Box<BadChunk>),
}

/// A file that has another digest than the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file is {found}, wanted is {expected}")]
pub struct WrongFile {
    /// The digest wanted.
    pub expected: Digest,
    /// That of what came.
    pub found: Digest,
}

/// A chunk whose digest is not the one that the manifest, or the torrent, says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("chunk {index} (bytes {} to {}) is {found}, the {} says {expected}", .range.start, .range.end, .expected.said_by())]
pub struct BadChunk {
    /// Its index, from 0.
    pub index: u32,
    /// Its bytes in the file.
    pub range: Range<u64>,
    /// The digest that it must have.
    pub expected: ChunkDigest,
    /// The digest of what came.
    pub found: ChunkDigest,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Time may heal it.
    Transient {
        /// The server asks to be left alone that long.
        retry_after: Option<Duration>,
    },
    /// It will be the same next time.
    Permanent,
}

impl Cause {
    /// Whether trying again can help.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Status { status: 408 | 425 | 429 | 500.., retry_after } => {
                Fault::Transient { retry_after: *retry_after }
            }
            Self::Status { .. }
            | Self::Proxy { status: Some(400..500), .. }
            | Self::Ftp { code: 500.., .. }
            | Self::Certificate(_)
            | Self::Redirect { .. }
            | Self::Size { .. }
            | Self::Url(_)
            | Self::Wire(_)
            | Self::Metadata(_)
            | Self::Peer(_)
            | Self::Digest(_)
            | Self::Contradicts { .. }
            | Self::Io(_) => Fault::Permanent,
            _ => Fault::Transient { retry_after: None },
        }
    }
}

fn connects(attempts: &[(SocketAddr, io::Error)]) -> String {
    let each: Vec<_> = attempts.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    each.join(", ")
}

fn asks(retry_after: &Option<Duration>) -> String {
    retry_after.map(|wait| format!(", asks to come back in {} s", wait.as_secs())).unwrap_or_default()
}

impl Failure {
    /// A failure before any address or byte is known.
    pub(crate) fn of(source_name: impl Into<Box<str>>, cause: Cause) -> Self {
        Self { source_name: source_name.into(), address: None, offset: None, cause }
    }

    /// Whether trying again can help.
    pub fn fault(&self) -> Fault {
        self.cause.fault()
    }

    /// The failure and all its causes on one line.
    pub fn explain(&self) -> String {
        explain(self)
    }
}
