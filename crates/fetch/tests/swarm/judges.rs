//! Clients that others wrote, as leechers of our origin and as seeders of our machines.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bootwright_image::torrent::{Info, Metainfo};

use crate::fleet::Fleet;

const SIZE: usize = 4 << 20;

/// They take their time to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that ends with its test.
struct Client(Child);

impl Client {
    fn start(package: &str, command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap_or_else(|error| panic!("{error}: install the package {package}")))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A free port, as far as one can know.
fn port() -> String {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

fn aria2(torrent: &Path, directory: &Path) -> Client {
    let mut command = Command::new("aria2c");
    command.args(["--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]);
    command.args(["--seed-ratio=0.0", "--bt-seed-unverified=true", "--file-allocation=none"]);
    command.arg(format!("--listen-port={}", port())).arg("-d").arg(directory).arg(torrent);
    Client::start("aria2", &mut command)
}

fn transmission(torrent: &Path, directory: &Path) -> Client {
    let mut command = Command::new("transmission-cli");
    command.args(["--no-portmap", "--verify", "--port", &port()]);
    command.arg("--config-dir").arg(directory.join("config")).arg("-w").arg(directory).arg(torrent);
    Client::start("transmission-cli", &mut command)
}

fn libtorrent(torrent: &Path, directory: &Path, ip: Ipv4Addr) -> Client {
    const SCRIPT: &str = "
import libtorrent as lt, sys, time
s = lt.session({'listen_interfaces': sys.argv[3], 'enable_dht': False, 'enable_lsd': False,
    'enable_upnp': False, 'enable_natpmp': False, 'allow_multiple_connections_per_ip': True,
    'enable_outgoing_utp': False, 'enable_incoming_utp': False})
p = lt.add_torrent_params()
p.ti, p.save_path = lt.torrent_info(sys.argv[1]), sys.argv[2]
s.add_torrent(p)
while True: time.sleep(1)";
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", SCRIPT]).arg(torrent).arg(directory).arg(format!("{ip}:{}", port()));
    Client::start("python3-libtorrent", &mut command)
}

/// `root.torrent` of the fleet's image.
fn torrent(fleet: &Fleet) -> PathBuf {
    let trackers = vec![vec![fleet.tracker.url().to_string()]];
    let metainfo = Metainfo { info: Info::of(&fleet.manifest), trackers, web_seeds: Vec::new() };
    let path = fleet.directory.path().join("root.torrent");
    std::fs::write(&path, metainfo.to_bytes()).unwrap();
    path
}

/// Some clients take no peer at 127.0.0.1: an address of this machine, to which the way is as short.
fn own_address() -> Ipv4Addr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: the kernel only looks for the way.
    socket.connect("192.0.2.1:9").expect("this machine has no address but loopback");
    match socket.local_addr().unwrap().ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => panic!("{ip}"),
    }
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
