//! Machines that take a file from `bootwright serve` and from each other, each in a network of its own. Other
//! people's clients judge both sides.
//!
//! Needs the packages aria2, iproute2, python3-libtorrent, transmission-cli and util-linux, and user namespaces.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod clients;
mod fleet;
mod ipv6;
mod local;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bootwright_image::torrent::Metainfo;
use bootwright_vm::lab::Host;
use bootwright_vm::{Lab, Service};
use regex_lite::Regex;
use serde_json::Value;

const BOOTWRIGHT: &str = env!("CARGO_BIN_EXE_bootwright");
const SERVER: &str = "10.77.0.2";
const PATIENCE: Duration = Duration::from_secs(300);

/// A server of one file on a host of its own.
struct Site {
    lab: Lab,
    host: Host,
    server: Service,
    place: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Site {
    /// The server's link carries so many Mbit/s; `more` are options of serve.
    fn new(megabits: u32, size: usize, more: &[&str]) -> Self {
        Self::prepared(megabits, size, more, |_, _| ())
    }

    /// The same on a host to which something was done.
    fn prepared(megabits: u32, size: usize, more: &[&str], prepare: impl Fn(&Lab, &Host)) -> Self {
        let (lab, place) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let host = lab.host(SERVER).unwrap();
        prepare(&lab, &host);
        let mut state = 88_172_645_463_325_252_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let bytes: Vec<u8> = (0..size / 8).flat_map(|_| next()).collect();
        let file = place.path().join("disk.raw");
        std::fs::write(&file, &bytes).unwrap();
        shape(&lab, &host, megabits);
        let mut command = host.command(&lab, BOOTWRIGHT);
        command.arg("serve").arg(file).args(["--interface", "eth0", "--http-port", "8080"]).args(more);
        command.arg("--state").arg(place.path().join("state"));
        let server = Service::start(&mut command, None).unwrap();
        let site = Self { lab, host, server, place, bytes };
        site.wait(&site.server, "^serves disk.raw");
        site
    }

    fn url(&self, file: &str) -> String {
        format!("http://{SERVER}:8080/images/disk.raw/{file}")
    }

    fn directory(&self, name: &str) -> PathBuf {
        let directory = self.place.path().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    /// `bootwright fetch` on `host`, into the directory `name`, which goes on giving.
    fn fetch(&self, host: &Host, name: &str) -> Service {
        let mut command = host.command(&self.lab, BOOTWRIGHT);
        command.args(["fetch", &self.url("image.json"), "--json", "--linger", "300", "-o"]);
        command.arg(self.directory(name).join("disk.raw"));
        Service::start(&mut command, None).unwrap()
    }

    /// What a fetch said when everything was there; the file is right.
    fn fetched(&self, service: &Service, name: &str) -> Value {
        let line = self.wait(service, "\"complete\":true");
        assert!(self.has(name), "{name} has another file");
        serde_json::from_str(&line).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        std::fs::read(self.place.path().join(name).join("disk.raw")).is_ok_and(|bytes| bytes == self.bytes)
    }

    fn wait(&self, service: &Service, pattern: &str) -> String {
        let seen = service.transcript().expect(&Regex::new(pattern).unwrap(), PATIENCE);
        let seen =
            seen.unwrap_or_else(|error| panic!("{error}\n{}", service.transcript().tail(20).join("\n")));
        seen.line
    }

    /// The torrent as the server gives it out, without its web seeds: only peers are left.
    fn torrent(&self) -> PathBuf {
        let output = self.lab.command("curl").args(["-sf", &self.url("disk.raw.torrent")]).output().unwrap();
        let mut torrent = Metainfo::from_bytes(&output.stdout).unwrap();
        torrent.web_seeds.clear();
        let path = self.place.path().join("disk.raw.torrent");
        std::fs::write(&path, torrent.to_bytes()).unwrap();
        path
    }

    /// The swarm as the server tells of it.
    fn swarm(&self) -> Value {
        let url = format!("http://{SERVER}:8080/v1/swarms");
        let output = self.lab.command("curl").args(["-sf", &url]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()[0].clone()
    }
}

fn shape(lab: &Lab, host: &Host, megabits: u32) {
    let rate = format!("{megabits}mbit");
    let rule =
        ["qdisc", "add", "dev", "eth0", "root", "tbf", "rate", &rate, "burst", "64k", "latency", "200ms"];
    run(host.command(lab, "tc").args(rule));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Bytes that came from sources of that kind.
fn bytes_from(done: &Value, kind: &str) -> u64 {
    let sources = done["sources"].as_array().unwrap().iter().filter(|source| source["kind"] == kind);
    sources.map(|source| source["bytes"].as_u64().unwrap()).sum()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Bytes of a file that take room: what has come of a download.
fn arrived(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}
