//! aria2, transmission and libtorrent as leechers and as seeders.

use super::*;

/// Joins the swarm and stays in it; prints a line when everything is there.
const LIBTORRENT: &str = "import libtorrent as lt, sys, time
s = lt.session({'listen_interfaces': '0.0.0.0:6881', 'enable_dht': False, 'enable_lsd': False,
                'enable_upnp': False, 'enable_natpmp': False, 'allow_multiple_connections_per_ip': True})
h = s.add_torrent({'ti': lt.torrent_info(sys.argv[1]), 'save_path': sys.argv[2]})
while not h.status().is_seeding: time.sleep(0.1)
print('all there', flush=True)
time.sleep(300)";

fn aria2(site: &Site, host: &Host, directory: &Path, torrent: &Path) -> Service {
    let mut command = host.command(&site.lab, "aria2c");
    command.args(["--enable-dht=false", "--bt-enable-lpd=false", "--seed-time=10", "--seed-ratio=0.0"]);
    command.args(["--check-integrity=true", "--bt-seed-unverified=false", "--summary-interval=1", "-d"]);
    Service::start(command.arg(directory).arg(torrent), None).unwrap()
}

fn transmission(site: &Site, host: &Host, directory: &Path, torrent: &Path) -> Service {
    let mut command = host.command(&site.lab, "transmission-cli");
    command.args(["-M", "-w"]).arg(directory).arg("-g").arg(directory.join("configuration")).arg(torrent);
    Service::start(&mut command, None).unwrap()
}

fn libtorrent(site: &Site, host: &Host, directory: &Path, torrent: &Path) -> Service {
    let mut command = host.command(&site.lab, "/usr/bin/python3");
    Service::start(command.args(["-c", LIBTORRENT]).arg(torrent).arg(directory), None).unwrap()
}

type Client = fn(&Site, &Host, &Path, &Path) -> Service;

/// The client gets the file from the server alone, then gives it to us, who would wait long for the server.
fn both_ways(name: &str, client: Client) {
    // So slow that we still want chunks when transmission next looks whom it shall serve, every ten seconds.
    let site = Site::new(4, 8 << 20, &[]);
    let (theirs, ours) = (site.lab.host("10.77.0.11").unwrap(), site.lab.host("10.77.0.12").unwrap());
    let torrent = site.torrent();
    let service = client(&site, &theirs, &site.directory(name), &torrent);
    until(&format!("{name} gets nothing"), || site.has(name));
    let all = Some(site.bytes.len() as u64);
    until("the server has not given all of it", || site.swarm()["seeded"].as_u64() >= all);
    // It has told the tracker.
    until("the tracker does not hear of it", || site.swarm()["complete"].as_u64() >= Some(2));

    let fetch = site.fetch(&ours, "ours");
    let done = site.fetched(&fetch, "ours");
    let sources = done["sources"].as_array().unwrap();
    let from_client =
        sources.iter().filter(|source| source["source"].as_str().unwrap().starts_with("10.77.0.11:"));
    let bytes: u64 = from_client.map(|source| source["bytes"].as_u64().unwrap()).sum();
    assert!(
        bytes > 1 << 20,
        "{bytes} bytes from {name}: {done}\n{}",
        service.transcript().tail(10).join("\n")
    );
}

#[test]
fn aria2_takes_from_us_and_gives_to_us() {
    both_ways("aria2", aria2);
}

#[test]
fn transmission_takes_from_us_and_gives_to_us() {
    both_ways("transmission", transmission);
}

#[test]
fn libtorrent_takes_from_us_and_gives_to_us() {
    both_ways("libtorrent", libtorrent);
}
