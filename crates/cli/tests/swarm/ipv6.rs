//! A network of IPv6 alone: the server is reached, tracks and seeds there, and so do machines.

use super::*;

const SERVER_V6: &str = "fd77::2";

/// A host that has lost its IPv4 address.
fn host(site: &Site, number: u8) -> Host {
    let host = site.lab.host(&format!("10.77.0.{number}")).unwrap();
    run(host.command(&site.lab, "ip").args(["-4", "addr", "flush", "dev", "eth0"]));
    add(&site.lab, &host, &format!("fd77::{number}"));
    host
}

/// The address counts at once: nobody else can have it.
fn add(lab: &Lab, host: &Host, address: &str) {
    run(host.command(lab, "ip").args(["addr", "add", &format!("{address}/64"), "dev", "eth0", "nodad"]));
}

fn url(file: &str) -> String {
    format!("http://[{SERVER_V6}]:8080/images/disk.raw/{file}")
}

#[test]
fn aria2_and_we_get_everything_from_the_swarm_over_ipv6() {
    let site = Site::prepared(100, 4 << 20, &[], |lab, host| add(lab, host, SERVER_V6));
    let (theirs, ours) = (host(&site, 11), host(&site, 12));

    let torrent = site.torrent();
    let mut aria2 = theirs.command(&site.lab, "aria2c");
    aria2.args(["--enable-dht=false", "--bt-enable-lpd=false", "--seed-time=10", "-d"]);
    let aria2 = Service::start(aria2.arg(site.directory("theirs")).arg(&torrent), None).unwrap();
    until("aria2 gets nothing", || site.has("theirs"));
    let peers = site.swarm()["peers"].to_string();
    assert!(peers.contains("[fd77::2]:") && peers.contains("[fd77::11]:"), "{peers}");

    let mut command = ours.command(&site.lab, BOOTWRIGHT);
    command.args(["fetch", &url("image.json"), "--json", "--linger", "300", "-o"]);
    let fetch = Service::start(command.arg(site.directory("ours").join("disk.raw")), None).unwrap();
    let done = site.fetched(&fetch, "ours");
    assert_eq!(bytes_from(&done, "mirror") + bytes_from(&done, "peer"), site.bytes.len() as u64, "{done}");
    drop(aria2);
}
