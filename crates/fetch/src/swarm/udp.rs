//! Asking a tracker for peers over UDP (BEP 15).
//!
//! ```text
//! connect    protocol_id[8]   action 0 transaction[4]
//! answer     action 0 transaction connection[8]
//! announce   connection[8]    action 1 transaction info_hash[20] peer_id[20] downloaded[8] left[8] uploaded[8]
//!            event[4] ip[4] key[4] num_want[4] port[2]
//! answer     action 1 transaction interval[4] leechers[4] seeders[4] (ip[4 or 16] port[2])…
//! error      action 3 transaction text
//! ```
//!
//! Numbers are big-endian. Addresses are those of the family by which the tracker was asked. A connection is asked
//! for anew each time: it lives one minute, and announces are many minutes apart.
//!
//! Not supported: scraping, paths of URLs (BEP 41).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::announce::{Announce, Answer, AnswerError, Occasion, WANTED, compact4, compact6};
use crate::error::Cause;

/// How long one answer may take: BEP 15 has the first request repeated after that. The next tracker is asked
/// instead, and this one again at the next announce.
const PATIENCE: Duration = Duration::from_secs(15);

/// What every connect begins with.
const PROTOCOL: u64 = 0x417_2710_1980;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const ERROR: u32 = 3;

/// The largest answer that is read: what fits into a datagram on an Ethernet has 80 peers of IPv6.
const LARGEST: usize = 4 << 10;

/// Announces to the tracker at the first of `addresses` that answers.
pub(crate) async fn ask(addresses: &[SocketAddr], announce: &Announce) -> Result<Answer, Cause> {
    let mut last = Cause::Connect(Vec::new());
    for address in addresses {
        match ask_at(*address, announce).await {
            Err(cause @ (Cause::Stalled(_) | Cause::Connect(_))) => last = cause,
            done => return done,
        }
    }
    Err(last)
}

async fn ask_at(address: SocketAddr, announce: &Announce) -> Result<Answer, Cause> {
    let refused = |error| Cause::Connect(vec![(address, error)]);
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(refused)?;
    // From now on the kernel passes on what comes from there alone.
    socket.connect(address).await.map_err(refused)?;
    let mut transaction = fastrand::u32(..);
    let answer = exchange(&socket, &connect(transaction)).await.map_err(refused)?;
    let answer = answer.ok_or(Cause::Stalled(PATIENCE))?;
    let told = read_connection(&answer, transaction).map_err(wrong)?;
    transaction = fastrand::u32(..);
    let answer = exchange(&socket, &announcement(announce, told, transaction)).await.map_err(refused)?;
    let answer = answer.ok_or(Cause::Stalled(PATIENCE))?;
    read_answer(&answer, transaction, address.is_ipv6()).map_err(wrong)
}

fn wrong(error: AnswerError) -> Cause {
    Cause::Answer(error.to_string())
}

/// Sends a datagram and waits for one; `None` when none comes.
async fn exchange(socket: &UdpSocket, datagram: &[u8]) -> io::Result<Option<Vec<u8>>> {
    socket.send(datagram).await?;
    let mut answer = vec![0; LARGEST];
    match timeout(PATIENCE, socket.recv(&mut answer)).await {
        Err(_) => Ok(None),
        Ok(length) => {
            answer.truncate(length?);
            Ok(Some(answer))
        }
    }
}

fn connect(transaction: u32) -> Vec<u8> {
    [&PROTOCOL.to_be_bytes()[..], &CONNECT.to_be_bytes(), &transaction.to_be_bytes()].concat()
}

fn announcement(announce: &Announce, connection: [u8; 8], transaction: u32) -> Vec<u8> {
    let event: u32 = match announce.occasion {
        Occasion::Regular => 0,
        Occasion::Completed => 1,
        Occasion::Started => 2,
        Occasion::Stopped => 3,
    };
    let wanted = if announce.occasion == Occasion::Stopped { 0 } else { WANTED };
    // Tells us from others behind one address: as the peer id does, for as long as we run.
    let [.., a, b, c, d] = announce.peer_id;
    let ip = [0; 4];
    [
        &connection[..],
        &ANNOUNCE.to_be_bytes(),
        &transaction.to_be_bytes(),
        &announce.info_hash.0,
        &announce.peer_id,
        &announce.downloaded.to_be_bytes(),
        &announce.left.to_be_bytes(),
        &announce.uploaded.to_be_bytes(),
        &event.to_be_bytes(),
        &ip,
        &[a, b, c, d],
        &wanted.to_be_bytes(),
        &announce.port.to_be_bytes(),
    ]
    .concat()
}

/// What follows action and transaction, when they are the ones wanted.
fn payload(bytes: &[u8], action: u32, transaction: u32) -> Result<&[u8], AnswerError> {
    let (found, rest) = number(bytes)?;
    let (told, rest) = number(rest)?;
    if told != transaction {
        return Err(AnswerError::Datagram("it answers another question"));
    }
    match found {
        found if found == action => Ok(rest),
        ERROR => Err(AnswerError::refused(&String::from_utf8_lossy(rest))),
        _ => Err(AnswerError::Datagram("it is of another kind than the question")),
    }
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8]), AnswerError> {
    let (head, rest) = bytes.split_first_chunk().ok_or(AnswerError::Datagram("it is too short"))?;
    Ok((u32::from_be_bytes(*head), rest))
}

fn read_connection(bytes: &[u8], transaction: u32) -> Result<[u8; 8], AnswerError> {
    let payload = payload(bytes, CONNECT, transaction)?;
    payload.first_chunk().copied().ok_or(AnswerError::Datagram("it is too short"))
}

pub(super) fn read_answer(bytes: &[u8], transaction: u32, six: bool) -> Result<Answer, AnswerError> {
    let (interval, rest) = number(payload(bytes, ANNOUNCE, transaction)?)?;
    let (_leechers, rest) = number(rest)?;
    let (_seeders, rest) = number(rest)?;
    let peers = if six { compact6(rest) } else { compact4(rest) };
    Ok(Answer::new(Some(Duration::from_secs(interval.into())), None, peers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::torrent::InfoHash;
    use proptest::prelude::*;

    const ANNOUNCED: Announce = Announce {
        info_hash: InfoHash([0xab; 20]),
        peer_id: *b"-BW0100-abcdefghijkl",
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: 3,
        occasion: Occasion::Started,
    };

    #[test]
    fn the_datagrams_are_those_of_bep_15() {
        assert_eq!(connect(7), b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\0\0\0\x07");
        let bytes = announcement(&ANNOUNCED, [9; 8], 7);
        assert_eq!(bytes.len(), 98);
        assert_eq!(&bytes[..16], b"\x09\x09\x09\x09\x09\x09\x09\x09\0\0\0\x01\0\0\0\x07");
        assert_eq!(
            &bytes[56..84],
            [2u64, 3, 1]
                .map(u64::to_be_bytes)
                .concat()
                .iter()
                .chain(&[0, 0, 0, 2])
                .copied()
                .collect::<Vec<_>>()
        );
        assert_eq!(&bytes[92..], b"\0\0\0\x50\x1a\xe1");
    }

    #[test]
    fn answers_of_both_families_errors_and_strangers_answers_are_told_apart() {
        let head = b"\0\0\0\x01\0\0\0\x07\0\0\x07\x08\0\0\0\0\0\0\0\x01";
        let four = [&head[..], b"\x0a\0\0\x01\x1a\xe1"].concat();
        let answer = read_answer(&four, 7, false).unwrap();
        assert_eq!((answer.interval.as_secs(), answer.peers), (1800, vec!["10.0.0.1:6881".parse().unwrap()]));
        let six = [&head[..], &[0xfd; 16], b"\x1a\xe1"].concat();
        assert!(read_answer(&six, 7, true).unwrap().peers[0].is_ipv6());
        assert_eq!(read_answer(&four, 8, false), Err(AnswerError::Datagram("it answers another question")));
        let error = read_answer(b"\0\0\0\x03\0\0\0\x07not \x1bregistered", 7, false);
        assert_eq!(error, Err(AnswerError::Refused("not registered".into())));
        assert_eq!(
            read_connection(&four[..15], 7),
            Err(AnswerError::Datagram("it is of another kind than the question"))
        );
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), six: bool) {
            let _ = read_answer(&bytes, 7, six);
            let _ = read_connection(&bytes, 7);
            let _ = read_answer(&[&b"\0\0\0\x01\0\0\0\x07"[..], &bytes].concat(), 7, six);
        }
    }
}
