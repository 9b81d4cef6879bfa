//! The query of an announce or a scrape.

use std::borrow::Cow;
use std::net::IpAddr;

use bootwright_image::torrent::InfoHash;
use percent_encoding::percent_decode_str;

use super::{MAX_NUMWANT, NUMWANT, PeerId};

/// The longest `key` that is kept: clients send 8 hexadecimal digits.
const MAX_KEY: usize = 32;

/// The most swarms that one scrape may name.
const MAX_SCRAPE: usize = 64;

/// Why the client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Event {
    /// It goes on.
    #[default]
    None,
    /// It begins.
    Started,
    /// It has all bytes now.
    Completed,
    /// It leaves.
    Stopped,
}

/// An announce (BEP 3, 7, 23).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// The swarm.
    pub info_hash: InfoHash,
    /// How the client calls itself.
    pub peer_id: PeerId,
    /// Where it listens.
    pub port: u16,
    /// Bytes it still wants.
    pub left: u64,
    /// Bytes it has taken from others.
    pub downloaded: u64,
    /// Bytes it has given to others.
    pub uploaded: u64,
    /// Why it asks.
    pub event: Event,
    /// Peers it wants to hear of.
    pub numwant: usize,
    /// Whether the answer's peers are packed (BEP 23).
    pub compact: bool,
    /// Whether ids may be left out of an answer that is not packed.
    pub no_peer_id: bool,
    /// What proves that a peer at a new address is the one it was.
    pub key: Vec<u8>,
    /// The address that it claims to have.
    pub ip: Option<IpAddr>,
}

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A parameter that is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter that makes no sense.
    #[error("{0} is malformed")]
    Malformed(&'static str),
}

impl Announce {
    /// Reads the raw query, without its question mark. Parameters that nobody knows are passed over.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let bytes = |key| parameters(query).find(|(found, _)| *found == key).map(|(_, value)| value);
        let must = |key| bytes(key).ok_or(QueryError::Missing(key));
        let number =
            |key| bytes(key).map(|value| unsigned(&value).ok_or(QueryError::Malformed(key))).transpose();
        let flag = |key| bytes(key).map(|value| *value == *b"1");
        let port = number("port")?.ok_or(QueryError::Missing("port"))?;
        let port = u16::try_from(port).ok().filter(|port| *port > 0).ok_or(QueryError::Malformed("port"))?;
        let ip = bytes("ip").and_then(|value| std::str::from_utf8(&value).ok()?.parse::<IpAddr>().ok());
        let key = bytes("key").unwrap_or_default();
        Ok(Self {
            info_hash: InfoHash(twenty("info_hash", &must("info_hash")?)?),
            peer_id: PeerId(twenty("peer_id", &must("peer_id")?)?),
            port,
            left: number("left")?.ok_or(QueryError::Missing("left"))?,
            downloaded: number("downloaded")?.unwrap_or(0),
            uploaded: number("uploaded")?.unwrap_or(0),
            event: event(bytes("event").as_deref())?,
            numwant: numwant(bytes("numwant").as_deref()),
            compact: flag("compact") != Some(false),
            no_peer_id: flag("no_peer_id") == Some(true),
            key: key.get(..key.len().min(MAX_KEY)).unwrap_or_default().to_vec(),
            ip: ip.map(|ip| ip.to_canonical()),
        })
    }
}

/// The swarms that a scrape names.
pub(super) fn hashes(query: &str) -> Result<Vec<InfoHash>, QueryError> {
    let named = parameters(query).filter(|(key, _)| *key == "info_hash").take(MAX_SCRAPE);
    named.map(|(_, value)| twenty("info_hash", &value).map(InfoHash)).collect()
}

/// Values are bytes, not text: an info-hash is seldom UTF-8. A plus sign stands for itself.
fn parameters(query: &str) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
    query.split('&').map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key, percent_decode_str(value).into())
    })
}

fn twenty(key: &'static str, value: &[u8]) -> Result<[u8; 20], QueryError> {
    value.try_into().map_err(|_| QueryError::Malformed(key))
}

fn unsigned(value: &[u8]) -> Option<u64> {
    let digits =
        std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits?.parse().ok()
}

fn event(value: Option<&[u8]>) -> Result<Event, QueryError> {
    match value {
        None | Some(b"" | b"empty") => Ok(Event::None),
        Some(b"started") => Ok(Event::Started),
        Some(b"completed") => Ok(Event::Completed),
        Some(b"stopped") => Ok(Event::Stopped),
        // BEP 21: a client that wants no more, though it has not all.
        Some(b"paused") => Ok(Event::None),
        Some(_) => Err(QueryError::Malformed("event")),
    }
}

/// Clients write -1 for as many as there are.
fn numwant(value: Option<&[u8]>) -> usize {
    let wanted = value.and_then(unsigned).and_then(|wanted| usize::try_from(wanted).ok());
    wanted.unwrap_or(NUMWANT).min(MAX_NUMWANT)
}
