//! From `bootwright serve`, which digests a single file and makes an image of it.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bootwright_image::chunks::{ChunkDigester, size_for};
use bootwright_image::torrent::{Info, Metainfo};
use bootwright_image::{Digest, RootFormat, RootManifest};

use super::{content, fetch, json, text};

/// A server of the file `place/disk.raw`, on loopback.
struct Served {
    child: Child,
    port: u16,
}

impl Served {
    fn start(place: &Path) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new(env!("CARGO_BIN_EXE_bootwright"))
            .args([
                "serve",
                "disk.raw",
                "--interface",
                "lo",
                "--state",
                "state",
                "--http-port",
                &port.to_string(),
            ])
            .current_dir(place)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, port }
    }

    fn url(&self, file: &str) -> String {
        format!("http://127.0.0.1:{}/images/disk.raw/{file}", self.port)
    }

    /// What it said on standard error.
    fn stop(mut self) -> String {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        self.child.wait().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn torrent(bytes: &[u8]) -> Metainfo {
    let mut digester = ChunkDigester::new(size_for(bytes.len() as u64));
    digester.update(bytes);
    let (size, digest, chunks) = digester.finish();
    let format = RootFormat::Opaque;
    let manifest =
        RootManifest { schema: 1, file: "disk.raw".into(), format, size, digest, chunks, verity: None };
    Metainfo { info: Info::of(&manifest), trackers: Vec::new(), web_seeds: Vec::new() }
}

#[test]
fn a_single_file_is_digested_once_and_fetched_in_chunks() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(7, 2_000_000);
    std::fs::write(place.path().join("disk.raw"), &bytes).unwrap();
    let served = Served::start(place.path());
    let done = json(&fetch(place.path(), &[&served.url("image.json"), "-o", "out", "--json"]));
    assert_eq!(
        (&done["verified"]["by"], &done["digest"]),
        (&"manifest".into(), &Digest::of(&bytes).to_string().into())
    );
    assert_eq!(std::fs::read(place.path().join("out")).unwrap(), bytes);

    // What is there is damaged, and longer than it should be: right chunks are taken from it, others fetched.
    let mut damaged = bytes.clone();
    damaged[700_000] ^= 1;
    damaged.extend([1; 100]);
    std::fs::write(place.path().join("out"), damaged).unwrap();
    let done = json(&fetch(place.path(), &[&served.url("image.json"), "-o", "out", "--json"]));
    assert_eq!(std::fs::read(place.path().join("out")).unwrap(), bytes);
    let sources = done["sources"].as_array().unwrap();
    assert_eq!((&sources[0]["kind"], &sources[1]["kind"]), (&"local".into(), &"mirror".into()));
    assert!(sources[0]["bytes"].as_u64() > sources[1]["bytes"].as_u64(), "{done}");
    assert!(sources[1]["bytes"].as_u64() >= Some(256 << 10), "{done}");

    let told = text(&fetch(place.path(), &[&served.url("image.json"), "--artifact", "nothing"]));
    assert!(told.contains("disk.raw, root.json"), "{told}");
    assert!(served.stop().contains("once"));
    // The digests are kept.
    assert!(!Served::start(place.path()).stop().contains("once"));
}

#[test]
fn a_torrent_that_contradicts_the_manifest_is_refused_with_both_digests() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(7, 2_000_000);
    std::fs::write(place.path().join("disk.raw"), &bytes).unwrap();
    std::fs::write(place.path().join("right.torrent"), torrent(&bytes).to_bytes()).unwrap();
    let other = torrent(&content(8, 2_000_000));
    std::fs::write(place.path().join("other.torrent"), other.to_bytes()).unwrap();
    let served = Served::start(place.path());
    let url = served.url("image.json");
    let output = fetch(place.path(), &[&url, "-o", "out", "--torrent", "other.torrent"]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&other.info.hash.to_string()), "{told}");
    assert!(told.contains(&Digest::of(&bytes).to_string()), "{told}");
    assert!(!place.path().join("out").exists());
    let output = fetch(place.path(), &[&url, "-o", "out", "--torrent", "right.torrent"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn aria2_fetches_by_the_torrent_that_the_server_gives_out() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(9, 2_000_000);
    std::fs::write(place.path().join("disk.raw"), &bytes).unwrap();
    let served = Served::start(place.path());
    let url = served.url("disk.raw.torrent");
    let arguments = ["-q", "-d", "got", "--seed-time=0", "--bt-enable-lpd=false", "--enable-dht=false", &url];
    let output = Command::new("aria2c").args(arguments).current_dir(place.path()).output();
    let output = output.unwrap_or_else(|error| panic!("aria2c: {error}: see xtask/src/packages.rs"));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(std::fs::read(place.path().join("got/disk.raw")).unwrap(), bytes);
}
