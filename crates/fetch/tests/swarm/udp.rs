//! Trackers that speak UDP (BEP 15): opentracker, and one of our own where opentracker cannot go.

use std::net::{Ipv4Addr, Ipv6Addr};

use bootwright_fetch::{PeerOptions, Port};
use tokio::net::UdpSocket;

use crate::clients::{libtorrent, opentracker, port};
use crate::fleet::client;
use crate::strangers::{Shape, Share, mktorrent};

#[tokio::test]
async fn opentracker_introduces_us_to_libtorrent_over_udp() {
    let free = port();
    let place = tempfile::tempdir().unwrap();
    // The torrent names a tracker that is not there: all shall tell opentracker alone.
    let share = Share::new(mktorrent, Shape::File, &format!("http://127.0.0.1:{free}/announce"));
    let (_tracker, port) = opentracker(place.path(), &share.info.hash.to_string());
    let url = format!("udp://127.0.0.1:{port}/announce");
    let share = share.with_tracker(&url);
    let _client = libtorrent(&share.torrent, share.place.path(), Ipv4Addr::LOCALHOST);
    let own = Port::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let peers = PeerOptions::new(own, client(), Some(url.parse().unwrap()));
    let out = place.path().join("out");
    let (complete, _) = share.fetch(&out, &[], Some(peers)).await;
    assert!(share.is_at(&out) && complete.progress.from_peers == share.size());
}

#[tokio::test]
async fn peers_of_ipv6_come_from_a_udp_tracker_that_is_asked_by_ipv6() {
    let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    let share = Share::new(mktorrent, Shape::File, &url);
    let _client = libtorrent(&share.torrent, share.place.path(), Ipv6Addr::LOCALHOST);
    tokio::spawn(tracker(socket));
    let own = Port::bind("[::1]:0".parse().unwrap()).unwrap();
    let peers = PeerOptions::new(own, client(), Some(url.parse().unwrap()));
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let (complete, _) = share.fetch(&out, &[], Some(peers)).await;
    assert!(share.is_at(&out) && complete.progress.from_peers == share.size());
}

/// Gives everybody the ports of all who have announced, at ::1.
async fn tracker(socket: UdpSocket) {
    let mut ports = std::collections::BTreeSet::new();
    let mut bytes = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
        let asked = &bytes[..length];
        let mut answer = asked[8..16].to_vec();
        if answer[..4] == [0; 4] {
            answer.extend(b"12345678");
        } else {
            assert_eq!(&asked[..8], b"12345678");
            ports.insert([asked[96], asked[97]]);
            answer.extend([0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1]);
            for port in &ports {
                answer.extend(Ipv6Addr::LOCALHOST.octets());
                answer.extend(port);
            }
        }
        let _ = socket.send_to(&answer, from).await;
    }
}
