//! Torrents that others made, from clients that others wrote, and to them.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bootwright_fetch::{
    Complete, FileSet, FileStore, Notice, Options, PeerOptions, Seeder, Source, Store, fetch_torrent,
};
use bootwright_image::torrent::{Info, Metainfo};
use tempfile::TempDir;

use crate::clients::{Client, aria2, libtorrent, own_address, transmission};
use crate::fleet::peers;
use crate::tracker::Tracker;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// Files of a torrent: an odd size, an empty one, one that spans pieces, one in a directory of directories.
const FILES: [(&str, usize); 4] = [("a.bin", 300_001), ("d/empty", 0), ("d/e/b", 1_500_000), ("z", 7)];

/// What somebody shares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    File,
    Directory,
}

/// Makes a torrent `out` of `what` in `place`, with `tracker`.
pub type Maker = fn(place: &Path, what: &str, tracker: &str, out: &str);

/// Starts a client with a torrent or a magnet link, and the directory of its files.
pub type Start = fn(torrent: &Path, directory: &Path, ip: Ipv4Addr) -> Client;

/// Somebody who shares files with a torrent of their own.
pub struct Share {
    pub place: TempDir,
    pub torrent: PathBuf,
    pub info: Arc<Info>,
    shape: Shape,
}

pub fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

fn run(place: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(place).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: see xtask/src/packages.rs"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn mktorrent(place: &Path, what: &str, tracker: &str, out: &str) {
    run(place, "mktorrent", &["-l", "15", "-a", tracker, "-o", out, what]);
}

fn transmission_create(place: &Path, what: &str, tracker: &str, out: &str) {
    run(place, "transmission-create", &["-s", "64", "-t", tracker, "-o", out, what]);
}

const LIBTORRENT: &str = "import libtorrent as lt, sys
what, tracker, out, flags = sys.argv[1:5]
fs = lt.file_storage()
lt.add_files(fs, what)
t = lt.create_torrent(fs, 65536, flags=getattr(lt.create_torrent, flags) if flags else 0)
t.add_tracker(tracker)
lt.set_piece_hashes(t, '.')
open(out, 'wb').write(lt.bencode(t.generate()))";

/// Of both versions: files begin at pieces, with padding between them.
fn libtorrent_hybrid(place: &Path, what: &str, tracker: &str, out: &str) {
    run(place, "/usr/bin/python3", &["-c", LIBTORRENT, what, tracker, out, ""]);
}

impl Share {
    pub fn new(maker: Maker, shape: Shape, tracker: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        if shape == Shape::File {
            std::fs::write(place.path().join("shared"), content(1, 3_000_001)).unwrap();
        } else {
            for (seed, (path, size)) in (2..).zip(FILES) {
                let path = place.path().join("shared").join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content(seed, size)).unwrap();
            }
        }
        maker(place.path(), "shared", tracker, "t.torrent");
        let torrent = place.path().join("t.torrent");
        let info = Arc::new(Metainfo::from_bytes(&std::fs::read(&torrent).unwrap()).unwrap().info);
        Self { place, torrent, info, shape }
    }

    /// The same with another tracker.
    pub fn with_tracker(self, tracker: &str) -> Self {
        let mut metainfo = Metainfo::from_bytes(&std::fs::read(&self.torrent).unwrap()).unwrap();
        metainfo.trackers = vec![vec![tracker.to_owned()]];
        std::fs::write(&self.torrent, metainfo.to_bytes()).unwrap();
        self
    }

    pub fn size(&self) -> u64 {
        match self.shape {
            Shape::File => 3_000_001,
            Shape::Directory => FILES.iter().map(|(_, size)| *size as u64).sum(),
        }
    }

    /// Fetches it to `out`.
    pub async fn fetch(
        &self,
        out: &Path,
        sources: &[Arc<dyn Source>],
        peers: Option<PeerOptions>,
    ) -> (Complete, Option<Seeder>) {
        let store: Arc<dyn Store> = match self.info.placed().unwrap() {
            None => Arc::new(FileStore::create(out).unwrap()),
            Some(files) => Arc::new(FileSet::create(out, files).unwrap()),
        };
        let (options, mut failures) = (Options::default(), Vec::new());
        let mut observe = |notice: Notice<'_>| {
            if let Notice::Failed { failure, .. } = notice {
                failures.push(failure.explain());
            }
        };
        let fetching = fetch_torrent(&self.info, sources, store, peers, &options, &mut observe);
        let done = tokio::time::timeout(PATIENCE, fetching).await;
        done.unwrap_or_else(|_| panic!("it hangs: {failures:#?}")).unwrap()
    }

    /// Whether `out` is what is shared; transmission leaves empty files out, as a maker and as a leecher.
    pub fn is_at(&self, out: &Path) -> bool {
        let ours = self.place.path().join("shared");
        let same = |a: &Path, b: &Path| {
            std::fs::read(a).is_ok_and(|bytes| std::fs::read(b).is_ok_and(|others| bytes == others))
        };
        match self.shape {
            Shape::File => same(&ours, out),
            Shape::Directory => {
                let mut files = FILES.iter().filter(|(_, size)| *size > 0);
                files.all(|(path, _)| same(&ours.join(path), &out.join(path)))
            }
        }
    }
}

/// `client` seeds what `maker` made a torrent of, and we fetch it.
async fn seeded(maker: Maker, shape: Shape, ip: Ipv4Addr, client: Start) {
    let tracker = Tracker::start(ip).await;
    let share = Share::new(maker, shape, tracker.url().as_str());
    let _client = client(&share.torrent, share.place.path(), ip);
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let (complete, _) = share.fetch(&out, &[], Some(peers(&tracker))).await;
    assert!(share.is_at(&out));
    assert!(complete.progress.from_peers >= share.size());
}

pub fn aria2_at(torrent: &Path, directory: &Path, _ip: Ipv4Addr) -> Client {
    aria2(torrent, directory)
}

pub fn transmission_at(torrent: &Path, directory: &Path, _ip: Ipv4Addr) -> Client {
    transmission(torrent, directory)
}

pub fn libtorrent_at(torrent: &Path, directory: &Path, ip: Ipv4Addr) -> Client {
    libtorrent(torrent, directory, ip)
}

#[tokio::test]
async fn a_file_of_mktorrent_comes_from_aria2() {
    seeded(mktorrent, Shape::File, Ipv4Addr::LOCALHOST, aria2_at).await;
}

#[tokio::test]
async fn a_directory_of_transmission_comes_from_aria2() {
    seeded(transmission_create, Shape::Directory, Ipv4Addr::LOCALHOST, aria2_at).await;
}

#[tokio::test]
async fn a_file_of_transmission_comes_from_transmission() {
    seeded(transmission_create, Shape::File, own_address(), transmission_at).await;
}

#[tokio::test]
async fn a_directory_of_mktorrent_comes_from_transmission() {
    seeded(mktorrent, Shape::Directory, own_address(), transmission_at).await;
}

#[tokio::test]
async fn a_file_of_libtorrent_comes_from_libtorrent() {
    seeded(libtorrent_hybrid, Shape::File, Ipv4Addr::LOCALHOST, libtorrent_at).await;
}

#[tokio::test]
async fn a_directory_of_both_versions_with_padding_comes_from_libtorrent() {
    seeded(libtorrent_hybrid, Shape::Directory, Ipv4Addr::LOCALHOST, libtorrent_at).await;
}

#[test]
fn a_torrent_of_version_2_alone_is_refused_by_its_version() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), content(1, 100_000)).unwrap();
    run(place.path(), "/usr/bin/python3", &["-c", LIBTORRENT, "a", "http://t/", "t.torrent", "v2_only"]);
    let refused = Metainfo::from_bytes(&std::fs::read(place.path().join("t.torrent")).unwrap()).unwrap_err();
    assert!(refused.to_string().contains("version 2 alone"), "{refused}");
}

/// We have fetched it from `libtorrent`, which goes; another client has it from us, who choke by turns.
async fn given_on(shape: Shape, ip: Ipv4Addr, client: Start) {
    let tracker = Tracker::start(ip).await;
    let share = Share::new(mktorrent, shape, tracker.url().as_str());
    let first = libtorrent(&share.torrent, share.place.path(), ip);
    let place = tempfile::tempdir().unwrap();
    let (_, seeder) = share.fetch(&place.path().join("out"), &[], Some(peers(&tracker))).await;
    drop(first);
    let theirs = place.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    let _client = client(&share.torrent, &theirs, ip);
    let begun = Instant::now();
    while !share.is_at(&theirs.join("shared")) {
        assert!(begun.elapsed() < PATIENCE, "{:#?}", seeder.as_ref().map(Seeder::status));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn aria2_gets_from_us_what_we_have_of_libtorrent() {
    given_on(Shape::Directory, Ipv4Addr::LOCALHOST, aria2_at).await;
}

#[tokio::test]
async fn transmission_gets_from_us_what_we_have_of_libtorrent() {
    given_on(Shape::Directory, own_address(), transmission_at).await;
}

#[tokio::test]
async fn libtorrent_gets_from_us_what_we_have_of_libtorrent() {
    given_on(Shape::File, Ipv4Addr::LOCALHOST, libtorrent_at).await;
}
