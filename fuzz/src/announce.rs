//! What trackers answer, and what is announced on the local network.

use bootwright_fetch::swarm::announce::{Answer, MAX_PEERS};
use bootwright_fetch::swarm::local::Announcement;

/// Whatever comes: no more peers than the bound, at addresses that can be dialled, and announcements are read as they
/// are written.
pub fn target(data: &[u8]) {
    let answers = [
        Answer::read(data).ok(),
        Answer::read_datagram(data, 7, false).ok(),
        Answer::read_datagram(data, 7, true).ok(),
    ];
    for answer in answers.into_iter().flatten() {
        assert!(answer.peers.len() <= MAX_PEERS && answer.least <= answer.interval);
        assert!(answer.peers.iter().all(|peer| peer.port() != 0 && !peer.ip().is_multicast()));
    }
    if let Some(announcement) = Announcement::read(data) {
        let host = ([239, 192, 152, 143], 6771).into();
        assert_eq!(Announcement::read(&announcement.to_bytes(host)), Some(announcement));
    }
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    b"\0\0\0\x01\0\0\0\x07\0\0\x07\x08\0\0\0\0\0\0\0\x01\x0a\0\0\x01\x1a\xe1\x0a\0\0\x02\x1a\xe2".to_vec()
}
