//! Magnet links: the metadata comes from clients that others wrote, and goes to them.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use bootwright_fetch::fetch_metadata;
use bootwright_image::torrent::{Info, Magnet};

use crate::clients::own_address;
use crate::fleet::{Fleet, peers};
use crate::strangers::{Shape, Share, Start, aria2_at, libtorrent_at, mktorrent, transmission_at};
use crate::tracker::Tracker;

const PATIENCE: Duration = Duration::from_secs(300);

/// `client` seeds; of the torrent we know the hash and the tracker.
async fn metadata_from(ip: Ipv4Addr, client: Start) {
    let tracker = Tracker::start(ip).await;
    let share = Share::new(mktorrent, Shape::Directory, tracker.url().as_str());
    let _client = client(&share.torrent, share.place.path(), ip);
    let mut peers = peers(&tracker);
    let mut failures = Vec::new();
    let mut observe = |notice: bootwright_fetch::Notice<'_>| {
        if let bootwright_fetch::Notice::Failed { failure, .. } = notice {
            failures.push(failure.explain());
        }
    };
    let found = fetch_metadata(share.info.hash, &peers, PATIENCE, &mut observe).await;
    let (info, addresses) = found.unwrap_or_else(|error| panic!("{error} {failures:#?}"));
    assert_eq!(info, *share.info);
    peers.peers = addresses;
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    share.fetch(&out, &[], Some(peers)).await;
    assert!(share.is_at(&out));
}

#[tokio::test]
async fn libtorrent_gives_us_the_metadata_of_its_torrent() {
    metadata_from(Ipv4Addr::LOCALHOST, libtorrent_at).await;
}

#[tokio::test]
async fn aria2_gives_us_the_metadata_of_its_torrent() {
    metadata_from(Ipv4Addr::LOCALHOST, aria2_at).await;
}

#[tokio::test]
async fn transmission_gives_us_the_metadata_of_its_torrent() {
    metadata_from(own_address(), transmission_at).await;
}

/// `client` knows a magnet link of what our origin has.
async fn metadata_to(ip: Ipv4Addr, client: Start) {
    let fleet = Fleet::at(ip, 4 << 20).await;
    let magnet = Magnet {
        info_hash: Info::of(&fleet.manifest).hash,
        name: None,
        length: None,
        trackers: vec![fleet.tracker.url().into()],
        web_seeds: Vec::new(),
        torrents: Vec::new(),
        peers: Vec::new(),
    };
    let directory = tempfile::tempdir().unwrap();
    let _client = client(Path::new(&magnet.to_string()), directory.path(), ip);
    let begun = Instant::now();
    let file = directory.path().join("root.img");
    while std::fs::read(&file).ok().as_ref() != Some(&fleet.image) {
        assert!(begun.elapsed() < PATIENCE, "{:#?}", fleet.origin_status().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn libtorrent_gets_the_metadata_of_ours_and_the_file() {
    metadata_to(Ipv4Addr::LOCALHOST, libtorrent_at).await;
}

#[tokio::test]
async fn aria2_gets_the_metadata_of_ours_and_the_file() {
    metadata_to(Ipv4Addr::LOCALHOST, aria2_at).await;
}

#[tokio::test]
async fn transmission_gets_the_metadata_of_ours_and_the_file() {
    metadata_to(own_address(), transmission_at).await;
}
