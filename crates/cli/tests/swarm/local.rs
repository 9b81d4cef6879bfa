//! Peers that know of each other by multicast alone (BEP 14), in a network without routes.

use super::*;

/// As clients of others do it; told of its torrent and its directory.
const LIBTORRENT: &str = "import libtorrent as lt, sys, time
s = lt.session({'listen_interfaces': sys.argv[3], 'enable_dht': False, 'enable_lsd': True,
                'enable_upnp': False, 'enable_natpmp': False, 'allow_multiple_connections_per_ip': True})
h = s.add_torrent({'ti': lt.torrent_info(sys.argv[1]), 'save_path': sys.argv[2]})
while not h.status().is_seeding: time.sleep(0.1)
print('all there', flush=True)
time.sleep(300)";

/// How hosts reach each other.
#[derive(Clone, Copy, PartialEq)]
enum Family {
    Four,
    Six,
    /// With the addresses that every interface has by itself.
    SixOfTheLink,
}

/// Two hosts, and a torrent of a file that names no tracker.
struct Network {
    lab: Lab,
    hosts: [Host; 2],
    place: tempfile::TempDir,
    family: Family,
}

impl Network {
    fn new(family: Family) -> Self {
        let (lab, place) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let hosts = [11, 12].map(|n| {
            let host = lab.host(&format!("10.77.0.{n}")).unwrap();
            if family != Family::Four {
                run(host.command(&lab, "ip").args(["-4", "addr", "flush", "dev", "eth0"]));
            }
            if family == Family::Six {
                let address = format!("fd77::{n}/64");
                run(host.command(&lab, "ip").args(["addr", "add", &address, "dev", "eth0", "nodad"]));
            }
            if family != Family::Four {
                let ready = || {
                    host.command(&lab, "ip").args(["-6", "addr", "show", "dev", "eth0", "tentative"]).output()
                };
                until("addresses stay tentative", || ready().unwrap().stdout.is_empty());
            }
            host
        });
        let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
        std::fs::create_dir(place.path().join("theirs")).unwrap();
        std::fs::write(place.path().join("theirs/disk.raw"), bytes).unwrap();
        let script = "cd \"$1\" && transmission-create -o t.torrent theirs/disk.raw";
        run(Command::new("sh").args(["-c", script, "sh"]).arg(place.path()));
        Self { lab, hosts, place, family }
    }

    fn magnet(&self) -> String {
        let bytes = std::fs::read(self.place.path().join("t.torrent")).unwrap();
        format!("magnet:?xt=urn:btih:{}", Metainfo::from_bytes(&bytes).unwrap().info.hash)
    }

    /// `bootwright fetch` of `what` on a host, which goes on giving.
    fn fetch(&self, host: usize, what: &str, out: &str) -> Service {
        let mut command = self.hosts[host].command(&self.lab, BOOTWRIGHT);
        command.args(["fetch", what, "--json", "--linger", "300", "-o"]).arg(self.place.path().join(out));
        Service::start(&mut command, None).unwrap()
    }

    fn libtorrent(&self, host: usize, directory: &str) -> Service {
        let listen = if self.family == Family::Four { "0.0.0.0:6881" } else { "[::]:6881" };
        let mut command = self.hosts[host].command(&self.lab, "/usr/bin/python3");
        command.args(["-c", LIBTORRENT]).arg(self.place.path().join("t.torrent"));
        command.arg(self.place.path().join(directory)).arg(listen);
        Service::start(&mut command, None).unwrap()
    }

    fn expect(&self, service: &Service, pattern: &str) {
        let seen = service.transcript().expect(&Regex::new(pattern).unwrap(), PATIENCE);
        seen.unwrap_or_else(|error| panic!("{error}\n{}", service.transcript().tail(20).join("\n")));
    }

    /// Whether `out` is the file.
    fn has(&self, out: &str) -> bool {
        let read = |path: &str| std::fs::read(self.place.path().join(path)).unwrap_or_default();
        read("theirs/disk.raw") == read(out)
    }
}

/// One of ours has the file, another knows its hash.
fn ours_find_each_other(family: Family) {
    let network = Network::new(family);
    std::fs::copy(network.place.path().join("theirs/disk.raw"), network.place.path().join("a")).unwrap();
    let torrent = network.place.path().join("t.torrent");
    let first = network.fetch(0, torrent.to_str().unwrap(), "a");
    network.expect(&first, "\"complete\":true");
    let second = network.fetch(1, &network.magnet(), "b");
    network.expect(&second, "\"complete\":true");
    assert!(network.has("b"));
}

#[test]
fn ours_find_each_other_by_ipv4() {
    ours_find_each_other(Family::Four);
}

#[test]
fn ours_find_each_other_by_ipv6_of_the_link() {
    ours_find_each_other(Family::SixOfTheLink);
}

/// We look first, then libtorrent announces itself; then libtorrent looks for us.
fn libtorrent_and_ours_find_each_other(family: Family) {
    let network = Network::new(family);
    let ours = network.fetch(1, &network.magnet(), "b");
    let theirs = network.libtorrent(0, "theirs");
    network.expect(&ours, "\"complete\":true");
    assert!(network.has("b"));
    drop(theirs);
    std::fs::create_dir(network.place.path().join("again")).unwrap();
    let theirs = network.libtorrent(0, "again");
    network.expect(&theirs, "all there");
    assert!(network.has("again/disk.raw"));
}

#[test]
fn libtorrent_and_ours_find_each_other_by_ipv4() {
    libtorrent_and_ours_find_each_other(Family::Four);
}

#[test]
fn libtorrent_and_ours_find_each_other_by_ipv6() {
    libtorrent_and_ours_find_each_other(Family::Six);
}
