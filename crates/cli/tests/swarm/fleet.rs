//! A small fleet of our own.

use super::*;

#[test]
fn three_machines_fetch_at_once_and_give_each_other_most_of_it() {
    let site = Site::new(40, 16 << 20, &[]);
    let hosts: Vec<_> = (11..14).map(|n| site.lab.host(&format!("10.77.0.{n}")).unwrap()).collect();
    let names = ["a", "b", "c"];
    let fetches: Vec<_> = hosts.iter().zip(names).map(|(host, name)| site.fetch(host, name)).collect();
    let done: Vec<_> = fetches.iter().zip(names).map(|(fetch, name)| site.fetched(fetch, name)).collect();
    let from_peers: u64 = done.iter().map(|done| bytes_from(done, "peer")).sum();
    assert!(from_peers > site.bytes.len() as u64, "{done:?}");
    until("the tracker hears of all", || site.swarm()["complete"].as_u64() >= Some(4));
    let swarm = site.swarm();
    assert!(swarm["seeded"].as_u64() > Some(0), "{swarm}");
}

#[test]
fn a_fleet_finishes_when_the_server_dies_after_one_copy_is_out() {
    let site = Site::new(40, 16 << 20, &[]);
    let hosts: Vec<_> = (11..14).map(|n| site.lab.host(&format!("10.77.0.{n}")).unwrap()).collect();
    hosts.iter().for_each(|host| shape(&site.lab, host, 40));
    let first = site.fetch(&hosts[0], "a");
    site.fetched(&first, "a");
    let second = site.fetch(&hosts[1], "b");
    let third = site.fetch(&hosts[2], "c");
    for name in ["b", "c"] {
        let part = site.place.path().join(name).join("disk.raw.part");
        until("nothing arrives", || arrived(&part) > 1 << 20);
    }
    let Site { lab, host, server, place, bytes } = site;
    server.kill().unwrap();
    assert!(!place.path().join("b/disk.raw").exists(), "it was over before the server died");
    drop(host);
    for (fetch, name) in [(&second, "b"), (&third, "c")] {
        let seen = fetch.transcript().expect(&Regex::new("\"complete\":true").unwrap(), PATIENCE);
        seen.unwrap_or_else(|error| panic!("{error}\n{}", fetch.transcript().tail(20).join("\n")));
        assert!(std::fs::read(place.path().join(name).join("disk.raw")).unwrap() == bytes, "{name}");
    }
    drop(lab);
}
