//! A BitTorrent tracker: tells peers of one another, for the files that are served and no others.
//!
//! Specification: BEP 3 (announce), 7 (IPv6), 23 (compact answers), 48 (scrape). Logic without I/O or
//! clock: a query, the address it came from and the time go in, the bencoded answer comes out.
//!
//! ```text
//! /announce?info_hash=%..&peer_id=%..&port=6881&left=0&event=started&compact=1
//!   d8:completei1e10:incompletei3e8:intervali60e12:min intervali15e5:peers12:……6:peers60:e
//! /scrape?info_hash=%..
//!   d5:filesd20:……d8:completei1e10:downloadedi4e10:incompletei3eeee
//! d14:failure reason30:…e                                     whatever goes wrong, with status 200
//! ```
//!
//! Made for a fleet on one network: peers are told of each other early, the [interval](INTERVAL) grows with
//! the swarm so that announces stay [bounded](ANNOUNCES_PER_SECOND), a peer is known by the address that its
//! packets come from. Not supported: UDP trackers (BEP 15), the DHT, private swarms with accounts.

mod request;
mod swarm;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bootwright_image::torrent::InfoHash;
use bootwright_image::torrent::bencode::Value;

use request::hashes;
pub use request::{Announce, Event, QueryError};
use swarm::Swarm;
pub use swarm::{Peer, PeerId};

/// Seconds until a peer should ask again, in a small swarm: late starters become known this quickly.
pub const INTERVAL: u64 = 30;

/// The longest interval, in seconds: a peer that died is told of at most three times as long.
pub const INTERVAL_MAX: u64 = 30 * 60;

/// Announces that all peers of one swarm together make each second, once it is large.
pub const ANNOUNCES_PER_SECOND: u64 = 50;

/// Peers of one swarm, about 200 bytes each: the largest fleet that boots one image from one server.
pub const MAX_PEERS: usize = 20_000;

/// Peers of all swarms together.
pub const MAX_PEERS_IN_ALL: usize = 50_000;

/// Peers behind one address, over all swarms: one sender must not fill the tracker.
pub const MAX_PEERS_PER_ADDRESS: usize = 256;

/// Peers in one answer: more than any client connects to at once.
pub const MAX_NUMWANT: usize = 200;

/// Peers in an answer to a client that does not say (BEP 3).
pub const NUMWANT: usize = 50;

/// Who tracks what. Times are counted from any fixed moment.
pub struct Tracker {
    swarms: BTreeMap<InfoHash, Swarm>,
    per_address: HashMap<IpAddr, usize>,
    in_all: usize,
    expires_next: Duration,
    random: fastrand::Rng,
}

/// A file that is tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// Its swarm.
    pub info_hash: InfoHash,
    /// The image it belongs to.
    pub image: String,
    /// Bytes.
    pub size: u64,
}

/// A swarm at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// The file.
    pub file: Tracked,
    /// Peers that have all of it.
    pub complete: usize,
    /// Peers that have not.
    pub incomplete: usize,
    /// How often a peer said that it has become complete.
    pub downloaded: u64,
    /// The peers.
    pub peers: Vec<(SocketAddr, Peer)>,
}

impl Tracker {
    /// A tracker of nothing. The same `seed` and the same announces give the same answers.
    pub fn new(seed: u64) -> Self {
        Self {
            swarms: BTreeMap::new(),
            per_address: HashMap::new(),
            in_all: 0,
            expires_next: Duration::ZERO,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Tracks these files from now on and no others; swarms that go on keep their peers.
    pub fn track(&mut self, files: &[Tracked]) {
        self.swarms.retain(|hash, _| files.iter().any(|file| file.info_hash == *hash));
        for file in files {
            let swarm = self.swarms.entry(file.info_hash).or_insert_with(|| Swarm::new(file.clone()));
            swarm.file = file.clone();
        }
        self.count();
    }

    /// Answers `/announce` with that raw query, which came from `from` at `now`. `own` are this machine's
    /// addresses: only a client on it may announce another address than its own.
    pub fn announce(&mut self, now: Duration, from: IpAddr, own: &[IpAddr], query: &str) -> Vec<u8> {
        let answer = Announce::parse(query).map_err(|error| error.to_string());
        match answer.and_then(|announce| self.announced(now, from, own, &announce)) {
            Ok(answer) => answer,
            Err(why) => failure(&why),
        }
    }

    /// Answers `/scrape` with that raw query: the swarms it names, or all.
    pub fn scrape(&mut self, now: Duration, query: &str) -> Vec<u8> {
        let wanted = match hashes(query) {
            Ok(wanted) => wanted,
            Err(error) => return failure(&error.to_string()),
        };
        self.expire(now);
        let chosen = |hash: &InfoHash| wanted.is_empty() || wanted.contains(hash);
        let numbers = |swarm: &Swarm| {
            let complete = swarm.complete();
            Value::dict([
                ("complete", number(complete)),
                ("downloaded", Value::Integer(i64::try_from(swarm.downloaded).unwrap_or(i64::MAX))),
                ("incomplete", number(swarm.peers.len() - complete)),
            ])
        };
        let files = self.swarms.iter().filter(|(hash, _)| chosen(hash));
        let files = files.map(|(hash, swarm)| (&hash.0[..], numbers(swarm))).collect();
        Value::dict([("files", Value::Dict(files))]).encode()
    }

    /// All swarms as they are at `now`.
    pub fn glance(&mut self, now: Duration) -> Vec<Glance> {
        self.expire(now);
        let glance = |swarm: &Swarm| {
            let complete = swarm.complete();
            Glance {
                file: swarm.file.clone(),
                complete,
                incomplete: swarm.peers.len() - complete,
                downloaded: swarm.downloaded,
                peers: swarm.peers.iter().map(|(address, peer)| (*address, peer.clone())).collect(),
            }
        };
        self.swarms.values().map(glance).collect()
    }

    fn announced(
        &mut self,
        now: Duration,
        from: IpAddr,
        own: &[IpAddr],
        announce: &Announce,
    ) -> Result<Vec<u8>, String> {
        self.expire(now);
        let from = from.to_canonical();
        let local = from.is_loopback() || own.contains(&from);
        let address = SocketAddr::new(announce.ip.filter(|_| local).unwrap_or(from), announce.port);
        let behind = self.per_address.get(&address.ip()).copied().unwrap_or(0);
        let swarm = self.swarms.get_mut(&announce.info_hash);
        let swarm = swarm.ok_or_else(|| format!("{} is no file that is served here", announce.info_hash))?;
        let before = swarm.peers.len();
        if announce.event == Event::Stopped {
            swarm.peers.swap_remove(&address);
        } else {
            swarm.forget_moved(address, announce);
            if !swarm.peers.contains_key(&address) {
                if swarm.peers.len() >= MAX_PEERS || self.in_all >= MAX_PEERS_IN_ALL {
                    return Err("the tracker is full: come back later".into());
                }
                if behind >= MAX_PEERS_PER_ADDRESS {
                    return Err(format!("{} has {behind} peers here already", address.ip()));
                }
            }
            let lives = Duration::from_secs(3 * swarm.interval());
            swarm.update(address, announce, now.saturating_add(lives));
        }
        let answer = swarm.answer(address, announce, &mut self.random);
        if swarm.peers.len() == before + 1 {
            self.in_all += 1;
            *self.per_address.entry(address.ip()).or_default() += 1;
        } else if swarm.peers.len() != before {
            self.count();
        }
        Ok(answer)
    }

    /// Forgets peers that have not been heard of. At most once a second, since it looks at all.
    fn expire(&mut self, now: Duration) {
        if now < self.expires_next {
            return;
        }
        self.expires_next = now.saturating_add(Duration::from_secs(1));
        self.swarms.values_mut().for_each(|swarm| swarm.expire(now));
        self.count();
    }

    fn count(&mut self) {
        self.per_address.clear();
        self.in_all = 0;
        for address in self.swarms.values().flat_map(|swarm| swarm.peers.keys()) {
            *self.per_address.entry(address.ip()).or_default() += 1;
            self.in_all += 1;
        }
    }
}

fn number(count: usize) -> Value<'static> {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

fn failure(why: &str) -> Vec<u8> {
    Value::dict([("failure reason", why.into())]).encode()
}

#[cfg(test)]
mod tests;
