//! Asking a tracker for peers: over HTTP here (BEP 3; compact lists of BEP 23 and BEP 7), over UDP in [`udp`](super::udp).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bootwright_image::torrent::InfoHash;
use bootwright_image::torrent::bencode::{DecodeError, Value};
use url::Url;

/// Most peers taken from one answer.
pub const MAX_PEERS: usize = 200;

/// Peers asked for at a time: what aria2 and libtorrent ask for is between 50 and 200.
pub(super) const WANTED: u32 = 80;

/// The longest answer that is read, in bytes: 200 peers as dictionaries take 20 KiB.
pub const MAX_ANSWER: usize = 256 << 10;

/// What the tracker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// Who we are.
    pub peer_id: [u8; 20],
    /// Where we listen.
    pub port: u16,
    /// Bytes sent to peers.
    pub uploaded: u64,
    /// Bytes from peers.
    pub downloaded: u64,
    /// Bytes that are missing.
    pub left: u64,
    /// Why now.
    pub occasion: Occasion,
}

/// Why a tracker is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The first time.
    Started,
    /// The interval is over.
    Regular,
    /// The last byte is there.
    Completed,
    /// The last time.
    Stopped,
}

/// What a tracker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Ask again after that long.
    pub interval: Duration,
    /// Not earlier than that, whatever happens.
    pub least: Duration,
    /// Who else is there.
    pub peers: Vec<SocketAddr>,
}

/// Why an answer is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not bencoded.
    #[error("the tracker's answer is no {0}")]
    Bencode(#[from] DecodeError),
    /// The tracker gives a reason.
    #[error("the tracker refuses: {0}")]
    Refused(String),
    /// No answer of BEP 15.
    #[error("the tracker's datagram is of no use: {0}")]
    Datagram(&'static str),
    /// No list of peers.
    #[error("the tracker's answer has no peers entry")]
    NoPeers,
}

/// The shortest interval that is honoured: an answer of 0 must not make a thousand machines a flood.
const LEAST: Duration = Duration::from_secs(5);

/// And the longest: after that, a fleet that has been repaired finds itself again.
const MOST: Duration = Duration::from_secs(3600);

impl Announce {
    /// The URL that tells it. What `tracker` has in its query stays.
    pub fn url(&self, tracker: &Url) -> Url {
        let event = match self.occasion {
            Occasion::Started => "&event=started",
            Occasion::Regular => "",
            Occasion::Completed => "&event=completed",
            Occasion::Stopped => "&event=stopped",
        };
        let before = tracker.query().map(|query| format!("{query}&")).unwrap_or_default();
        let query = format!(
            "{before}info_hash={}&peer_id={}&port={}&uploaded={}&downloaded={}&left={}&compact=1&numwant={}{event}",
            escape(&self.info_hash.0),
            escape(&self.peer_id),
            self.port,
            self.uploaded,
            self.downloaded,
            self.left,
            if self.occasion == Occasion::Stopped { 0 } else { WANTED },
        );
        let mut url = tracker.clone();
        url.set_query(Some(&query));
        url
    }
}

/// Percent-encodes each byte that is not unreserved.
fn escape(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    bytes.iter().map(one).collect()
}

impl Answer {
    /// Reads what a tracker sent.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn read(bytes: &[u8]) -> Result<Self, AnswerError> {
        let value = Value::decode(bytes)?;
        if let Some(reason) = value.get("failure reason") {
            return Err(AnswerError::refused(reason.text().unwrap_or("it gives no reason")));
        }
        let seconds = |key| {
            let seconds = value.get(key).and_then(Value::integer)?;
            u64::try_from(seconds).ok().map(Duration::from_secs)
        };
        let peers = match (value.get("peers"), value.get("peers6")) {
            (None, None) => return Err(AnswerError::NoPeers),
            (peers, peers6) => {
                let mut found = peers.map(listed).unwrap_or_default();
                found.extend(peers6.and_then(Value::bytes).map(compact6).unwrap_or_default());
                found
            }
        };
        Ok(Self::new(seconds("interval"), seconds("min interval"), peers))
    }

    /// Reads what a tracker sent over UDP (BEP 15) as its answer to `transaction`; `six` when it was asked by IPv6.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn read_datagram(bytes: &[u8], transaction: u32, six: bool) -> Result<Self, AnswerError> {
        super::udp::read_answer(bytes, transaction, six)
    }

    /// What a tracker said, within bounds.
    pub(super) fn new(
        interval: Option<Duration>,
        least: Option<Duration>,
        mut peers: Vec<SocketAddr>,
    ) -> Self {
        let interval = interval.unwrap_or(MOST / 2).clamp(LEAST, MOST);
        let least = least.unwrap_or(LEAST).clamp(LEAST, interval);
        peers.retain(|peer| peer.port() != 0 && !peer.ip().is_unspecified() && !peer.ip().is_multicast());
        peers.truncate(MAX_PEERS);
        Self { interval, least, peers }
    }
}

impl AnswerError {
    /// A tracker's reason, cut to what people can read.
    pub(super) fn refused(reason: &str) -> Self {
        Self::Refused(reason.chars().filter(|c| !c.is_control()).take(200).collect())
    }
}

/// Peers as one string of six bytes each, or as dictionaries.
fn listed(value: &Value<'_>) -> Vec<SocketAddr> {
    if let Some(bytes) = value.bytes() {
        return compact4(bytes);
    }
    let peer = |entry: &Value<'_>| {
        let ip: IpAddr = entry.get("ip")?.text()?.parse().ok()?;
        Some(SocketAddr::new(ip, u16::try_from(entry.get("port")?.integer()?).ok()?))
    };
    value.list().unwrap_or_default().iter().filter_map(peer).collect()
}

/// BEP 23: six bytes each.
pub(super) fn compact4(bytes: &[u8]) -> Vec<SocketAddr> {
    let (each, _) = bytes.as_chunks::<6>();
    let peer = |&[a, b, c, d, e, f]: &[u8; 6]| {
        SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([e, f]))
    };
    each.iter().map(peer).collect()
}

/// BEP 7: eighteen bytes each.
pub(super) fn compact6(bytes: &[u8]) -> Vec<SocketAddr> {
    let (each, _) = bytes.as_chunks::<18>();
    let peer = |bytes: &[u8; 18]| {
        let (ip, port) = bytes.split_first_chunk::<16>()?;
        Some(SocketAddr::new(Ipv6Addr::from(*ip).into(), u16::from_be_bytes(port.try_into().ok()?)))
    };
    each.iter().filter_map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_that_of_bep_3() {
        let announce = Announce {
            info_hash: InfoHash([0xfe; 20]),
            peer_id: *b"-BW0010-abcdefghijkl",
            port: 6881,
            uploaded: 1,
            downloaded: 2,
            left: 3,
            occasion: Occasion::Started,
        };
        let url = announce.url(&Url::parse("http://a/announce?key=x").unwrap());
        let hash = "%FE".repeat(20);
        let expected = format!(
            "http://a/announce?key=x&info_hash={hash}&peer_id=-BW0010-abcdefghijkl&port=6881&uploaded=1&downloaded=2&left=3&compact=1&numwant=80&event=started"
        );
        assert_eq!(url.as_str(), expected);
    }

    #[test]
    fn compact_and_listed_peers_of_both_families_are_read() {
        let mut bytes = b"d8:intervali60e5:peers6:\x0a\0\0\x01\x1a\xe16:peers618:".to_vec();
        bytes.extend_from_slice(&[0xfd; 16]);
        bytes.extend_from_slice(&[0x1a, 0xe1]);
        bytes.push(b'e');
        let answer = Answer::read(&bytes).unwrap();
        assert_eq!(answer.interval, Duration::from_secs(60));
        assert_eq!(answer.peers[0], "10.0.0.1:6881".parse().unwrap());
        assert!(answer.peers[1].is_ipv6());
        let listed = b"d5:peersld2:ip3:::14:porti1eed2:ip1:x4:porti1eeee";
        assert_eq!(Answer::read(listed).unwrap().peers, ["[::1]:1".parse().unwrap()]);
    }

    #[test]
    fn what_a_tracker_refuses_is_told_and_absurd_intervals_are_bounded() {
        let refused = Answer::read(b"d14:failure reason7:unknowne");
        assert_eq!(refused, Err(AnswerError::Refused("unknown".into())));
        let never = Answer::read(b"d8:intervali-5e12:min intervali999999999e5:peers0:e").unwrap();
        assert!(never.interval <= MOST && never.least <= never.interval);
        assert!(Answer::read(b"d8:intervali0e5:peers0:e").unwrap().interval >= LEAST);
    }
}
