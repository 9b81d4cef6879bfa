//! The peers of one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bootwright_image::torrent::bencode::Value;
use indexmap::IndexMap;

use super::request::{Announce, Event};
use super::{ANNOUNCES_PER_SECOND, INTERVAL, INTERVAL_MAX, Tracked, number};

/// How a client calls itself: 20 bytes, the first of which often name the program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PeerId(pub [u8; 20]);

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A client in a swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// How it calls itself.
    pub id: PeerId,
    /// Bytes it still wants.
    pub left: u64,
    /// Bytes it has taken from others, as it says.
    pub downloaded: u64,
    /// Bytes it has given to others, as it says.
    pub uploaded: u64,
    key: Vec<u8>,
    /// When it is forgotten.
    until: Duration,
}

/// The peers of one file. Those of one address and port are one peer, whatever they call themselves: so
/// nobody can speak for another address.
pub(super) struct Swarm {
    pub(super) file: Tracked,
    pub(super) peers: IndexMap<SocketAddr, Peer>,
    pub(super) downloaded: u64,
}

impl Swarm {
    pub(super) fn new(file: Tracked) -> Self {
        Self { file, peers: IndexMap::new(), downloaded: 0 }
    }

    pub(super) fn complete(&self) -> usize {
        self.peers.values().filter(|peer| peer.left == 0).count()
    }

    /// Seconds between two announces of a peer.
    pub(super) fn interval(&self) -> u64 {
        (self.peers.len() as u64 / ANNOUNCES_PER_SECOND).clamp(INTERVAL, INTERVAL_MAX)
    }

    pub(super) fn expire(&mut self, now: Duration) {
        self.peers.retain(|_, peer| now < peer.until);
    }

    /// Forgets the peer that has moved to `address`: same id and key. A client may have an address of
    /// each family at once (BEP 7).
    pub(super) fn forget_moved(&mut self, address: SocketAddr, announce: &Announce) {
        if announce.key.is_empty() || self.peers.contains_key(&address) {
            return;
        }
        self.peers.retain(|old, peer| {
            let same = peer.id == announce.peer_id && peer.key == announce.key;
            !same || old.is_ipv4() != address.is_ipv4()
        });
    }

    pub(super) fn update(&mut self, address: SocketAddr, announce: &Announce, until: Duration) {
        let was = self.peers.get(&address);
        if announce.event == Event::Completed && was.is_none_or(|peer| peer.left > 0) {
            self.downloaded = self.downloaded.saturating_add(1);
        }
        let peer = Peer {
            id: announce.peer_id,
            left: announce.left.min(self.file.size),
            downloaded: announce.downloaded,
            uploaded: announce.uploaded,
            key: announce.key.clone(),
            until,
        };
        self.peers.insert(address, peer);
    }

    pub(super) fn answer(
        &self,
        asks: SocketAddr,
        announce: &Announce,
        random: &mut fastrand::Rng,
    ) -> Vec<u8> {
        let peers = match announce.event {
            Event::Stopped => Vec::new(),
            _ => self.choose(asks, announce, random),
        };
        let complete = self.complete();
        let interval = i64::try_from(self.interval()).unwrap_or(i64::MAX);
        let mut answer = BTreeMap::from([
            (&b"complete"[..], number(complete)),
            (b"incomplete", number(self.peers.len() - complete)),
            (b"interval", Value::Integer(interval)),
            (b"min interval", Value::Integer(interval / 2)),
        ]);
        let (v4, v6) = (packed(&peers, Family::V4), packed(&peers, Family::V6));
        let hosts: Vec<_> = peers.iter().map(|(address, _)| address.ip().to_string()).collect();
        if announce.compact {
            answer.insert(b"peers", Value::Bytes(&v4));
            answer.insert(b"peers6", Value::Bytes(&v6));
        } else {
            let list = peers.iter().zip(&hosts).map(|((address, peer), host)| {
                let port = Value::Integer(address.port().into());
                let mut entries = BTreeMap::from([(&b"ip"[..], host.as_str().into()), (b"port", port)]);
                if !announce.no_peer_id {
                    entries.insert(b"peer id", Value::Bytes(&peer.id.0));
                }
                Value::Dict(entries)
            });
            answer.insert(b"peers", Value::List(list.collect()));
        }
        Value::Dict(answer).encode()
    }

    /// Peers for `asks`, by chance: never itself, no one that has everything for one that has everything,
    /// no loopback address for another machine.
    fn choose(
        &self,
        asks: SocketAddr,
        announce: &Announce,
        random: &mut fastrand::Rng,
    ) -> Vec<(&SocketAddr, &Peer)> {
        let useful = |(address, peer): &(&SocketAddr, &Peer)| {
            **address != asks
                && peer.id != announce.peer_id
                && (announce.left > 0 || peer.left > 0)
                && (asks.ip().is_loopback() || !address.ip().is_loopback())
        };
        let (all, wanted) = (self.peers.len(), announce.numwant);
        if all <= TRIES * wanted {
            let mut chosen = random.choose_multiple(self.peers.iter().filter(useful), wanted);
            random.shuffle(&mut chosen);
            return chosen;
        }
        // Of many, draw: an answer must not cost a look at every peer.
        let mut drawn = BTreeSet::new();
        drawn.extend((0..TRIES * wanted).map(|_| random.usize(..all)));
        let mut chosen: Vec<_> = drawn.into_iter().filter_map(|at| self.peers.get_index(at)).collect();
        chosen.retain(useful);
        random.shuffle(&mut chosen);
        chosen.truncate(wanted);
        chosen
    }
}

/// Draws for each peer wanted: some are drawn twice or are of no use.
const TRIES: usize = 4;

#[derive(PartialEq)]
enum Family {
    V4,
    V6,
}

/// Address and port of each peer of the family, 6 or 18 bytes, in network order (BEP 23, BEP 7).
fn packed(peers: &[(&SocketAddr, &Peer)], family: Family) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (address, _) in peers {
        match address {
            SocketAddr::V4(v4) if family == Family::V4 => bytes.extend_from_slice(&v4.ip().octets()),
            SocketAddr::V6(v6) if family == Family::V6 => bytes.extend_from_slice(&v6.ip().octets()),
            _ => continue,
        }
        bytes.extend_from_slice(&address.port().to_be_bytes());
    }
    bytes
}
