//! Queries of the tracker.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bootwright_image::torrent::InfoHash;
use bootwright_image::torrent::bencode::Value;
use bootwright_serve::tracker::{MAX_PEERS_PER_ADDRESS, Tracked, Tracker};

/// Every query gets an answer in bencoding, and no row of them fills the tracker.
pub fn target(data: &[u8]) {
    let mut tracker = Tracker::new(1);
    tracker.track(&[Tracked { info_hash: InfoHash([b'a'; 20]), image: "w".into(), size: 1 }]);
    let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for (second, query) in String::from_utf8_lossy(data).lines().enumerate() {
        let now = Duration::from_secs(second as u64);
        assert!(Value::decode(&tracker.announce(now, from, &[], query)).is_ok());
        assert!(Value::decode(&tracker.scrape(now, query)).is_ok());
        let peers = tracker.glance(now).iter().map(|swarm| swarm.peers.len()).sum::<usize>();
        assert!(peers <= MAX_PEERS_PER_ADDRESS);
    }
}

/// A valid input: an announce, as it goes on, and its end.
pub fn seed() -> Vec<u8> {
    let query =
        "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=%01bcdefghijklmnopqrst&port=6881&key=k&compact=1&ip=fd00::1";
    let events = ["&left=1&event=started&numwant=7", "&left=0&event=completed", "&left=0&event=stopped"];
    events.map(|event| format!("{query}{event}\n")).concat().into_bytes()
}
