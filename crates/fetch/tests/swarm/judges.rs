//! Clients that others wrote, as leechers of our origin and as seeders of our machines.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bootwright_image::torrent::{Info, Metainfo};

use crate::clients::{Client, aria2, libtorrent, own_address, transmission};
use crate::fleet::Fleet;

const SIZE: usize = 4 << 20;

/// They take their time to start.
const PATIENCE: Duration = Duration::from_secs(300);

/// `root.torrent` of the fleet's image.
fn torrent(fleet: &Fleet) -> PathBuf {
    let trackers = vec![vec![fleet.tracker.url().to_string()]];
    let metainfo = Metainfo { info: Info::of(&fleet.manifest), trackers, web_seeds: Vec::new() };
    let path = fleet.directory.path().join("root.torrent");
    std::fs::write(&path, metainfo.to_bytes()).unwrap();
    path
}

/// `start` fetches from our origin.
async fn leeches(fleet: Fleet, start: impl FnOnce(&Path, &Path) -> Client) {
    let directory = tempfile::tempdir().unwrap();
    let _client = start(&torrent(&fleet), directory.path());
    let begun = Instant::now();
    let file = directory.path().join("root.img");
    while std::fs::read(&file).ok().as_ref() != Some(&fleet.image) {
        assert!(begun.elapsed() < PATIENCE, "{:#?}", fleet.origin_status().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// `start` seeds, one of our machines fetches.
async fn seeds(mut fleet: Fleet, start: impl FnOnce(&Path, &Path) -> Client) {
    fleet.stop_origin().await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("root.img"), &fleet.image).unwrap();
    let _client = start(&torrent(&fleet), directory.path());
    let machine = fleet.start().await.unwrap();
    assert_eq!(machine.complete.progress.from_peers, fleet.size());
}

#[tokio::test]
async fn aria2_fetches_from_our_origin() {
    leeches(Fleet::new(SIZE).await, aria2).await;
}

#[tokio::test]
async fn aria2_seeds_our_machine() {
    seeds(Fleet::new(SIZE).await, aria2).await;
}

#[tokio::test]
async fn transmission_fetches_from_our_origin() {
    leeches(Fleet::at(own_address(), SIZE).await, transmission).await;
}

#[tokio::test]
async fn transmission_seeds_our_machine() {
    seeds(Fleet::at(own_address(), SIZE).await, transmission).await;
}

#[tokio::test]
async fn libtorrent_fetches_from_our_origin() {
    leeches(Fleet::new(SIZE).await, |torrent, to| libtorrent(torrent, to, Ipv4Addr::LOCALHOST)).await;
}

#[tokio::test]
async fn libtorrent_seeds_our_machine() {
    seeds(Fleet::new(SIZE).await, |torrent, to| libtorrent(torrent, to, Ipv4Addr::LOCALHOST)).await;
}
