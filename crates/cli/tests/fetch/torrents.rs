//! Torrents and magnet links of others, as a script fetches them.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use bootwright_image::Digest;
use bootwright_image::torrent::{InfoHash, Metainfo};

use super::{NOT_FOUND, Page, Web, content, fetch, file, json, text};

fn run(place: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(place).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: see xtask/src/packages.rs"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// As [`fetch`], with peers; none is looked for that was not named.
fn fetch_with_peers(place: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootwright"));
    command.args(["fetch", "--local-discovery", "off"]).args(arguments).current_dir(place).output().unwrap()
}

/// `shared`, a directory with a name that needs quoting in a URL, and the pages of a web server that has it.
fn shared(place: &Path) -> Vec<(String, Page)> {
    let files = [("a b#.bin", content(1, 200_001)), ("d/e", content(2, 70_000)), ("z", content(3, 5))];
    let mut pages = Vec::new();
    for (path, bytes) in files {
        let whole = place.join("shared").join(path);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(whole, &bytes).unwrap();
        pages.push((format!("/w/shared/{}", path.replace(' ', "%20").replace('#', "%23")), file(&bytes)));
    }
    pages
}

fn same(place: &Path, ours: &str, theirs: &str) {
    run(place, "diff", &["-r", ours, theirs]);
}

#[test]
fn a_directory_comes_from_the_web_seed_of_its_torrent() {
    let place = tempfile::tempdir().unwrap();
    let pages = shared(place.path());
    let pages: Vec<_> = pages.iter().map(|(path, page)| (path.as_str(), page.clone())).collect();
    let web = Web::start(&pages, NOT_FOUND);
    let seed = web.url("/w/");
    run(
        place.path(),
        "mktorrent",
        &["-l", "15", "-a", "http://127.0.0.1:1/", "-w", &seed, "-o", "t.torrent", "shared"],
    );
    let done = json(&fetch(place.path(), &["t.torrent", "-o", "out", "--json"]));
    same(place.path(), "shared", "out");
    assert_eq!(done["verified"]["by"], "torrent");
    assert_eq!((&done["size"], &done["complete"]), (&270_006.into(), &true.into()));
    assert_eq!(done["sources"][0]["source"], web.url("/w/shared"));
    assert!(done.get("digest").is_none(), "{done}");
    // There is something now, which is not touched.
    let told = text(&fetch(place.path(), &["t.torrent"]));
    assert!(told.contains("shared: it is there already"), "{told}");
}

#[test]
fn a_torrent_vouches_for_a_url_and_what_is_damaged_there_is_named() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(5, 300_000);
    std::fs::write(place.path().join("a.iso"), &bytes).unwrap();
    run(place.path(), "transmission-create", &["-s", "64", "-o", "t.torrent", "a.iso"]);
    std::fs::remove_file(place.path().join("a.iso")).unwrap();
    let mut damaged = bytes.clone();
    damaged[100_000] ^= 1;
    let torrent = std::fs::read(place.path().join("t.torrent")).unwrap();
    let web = Web::start(
        &[("/a.iso", file(&bytes)), ("/bad.iso", file(&damaged)), ("/t.torrent", file(&torrent))],
        NOT_FOUND,
    );
    let output = fetch(place.path(), &[&web.url("/bad.iso"), "--torrent", &web.url("/t.torrent")]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("chunk 1 (bytes 65536 to 131072) is sha1:"), "{told}");
    assert!(told.contains("the torrent says sha1:"), "{told}");
    assert!(!place.path().join("a.iso").exists());
    // A mirror has the right bytes; what was right is not fetched again.
    let mirror = ["--mirror", &web.url("/a.iso")];
    let digest = Digest::of(&bytes).to_string();
    let wrong = Digest::of(b"").to_string();
    let common = [&web.url("/bad.iso"), "--torrent", "t.torrent", mirror[0], mirror[1], "--digest"];
    let output = fetch(place.path(), &[&common[..], &[&wrong]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains(&format!("is {digest}, wanted is {wrong}")), "{}", text(&output));
    assert!(!place.path().join("a.iso").exists());
    let done = json(&fetch(place.path(), &[&common[..], &[&digest, "--json"]].concat()));
    assert_eq!((&done["digest"], &done["kept"]), (&digest.clone().into(), &300_000.into()));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
}

#[test]
fn a_torrent_whose_paths_lead_elsewhere_is_refused_before_anything_is_written() {
    let place = tempfile::tempdir().unwrap();
    let paths = ["l2:..4:evile", "l1:/4:evile", "l9:/etc/evile"];
    for (number, path) in paths.iter().enumerate() {
        let info = format!(
            "d5:filesld6:lengthi1e4:path{path}ee4:name1:n12:piece lengthi16e6:pieces20:aaaaaaaaaaaaaaaaaaaae"
        );
        let bytes = format!("d4:info{info}e");
        let name = format!("{number}.torrent");
        std::fs::write(place.path().join(&name), bytes).unwrap();
        let output = fetch(place.path(), &[&name, "-o", "out"]);
        let told = text(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("no name for a file here"), "{told}");
        assert!(!place.path().join("out").exists() && !place.path().join("evil").exists());
    }
    let single = b"d4:infod6:lengthi1e4:name7:../evil12:piece lengthi16e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
    std::fs::write(place.path().join("s.torrent"), single).unwrap();
    let output = fetch(place.path(), &["s.torrent"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

/// libtorrent with the torrent `t.torrent`; killed with the test.
struct Seeder(Child, u16);

impl Seeder {
    fn start(place: &Path) -> Self {
        const SCRIPT: &str = "
import libtorrent as lt, sys, time
s = lt.session({'listen_interfaces': '127.0.0.1:' + sys.argv[1], 'enable_dht': False, 'enable_lsd': False,
    'enable_upnp': False, 'enable_natpmp': False, 'enable_outgoing_utp': False, 'enable_incoming_utp': False})
h = s.add_torrent({'ti': lt.torrent_info('t.torrent'), 'save_path': '.'})
while True: time.sleep(1)";
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", SCRIPT, &port.to_string()]).current_dir(place).stdin(Stdio::null());
        Self(command.spawn().expect("install python3-libtorrent"), port)
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_magnet_link_with_a_peer_is_enough() {
    let place = tempfile::tempdir().unwrap();
    shared(place.path());
    run(place.path(), "mktorrent", &["-l", "15", "-a", "http://127.0.0.1:1/", "-o", "t.torrent", "shared"]);
    let torrent = Metainfo::from_bytes(&std::fs::read(place.path().join("t.torrent")).unwrap()).unwrap();
    let seeder = Seeder::start(place.path());
    let magnet = format!("magnet:?xt=urn:btih:{}&dn=x&x.pe=127.0.0.1:{}", torrent.info.hash, seeder.1);
    let done = json(&fetch_with_peers(place.path(), &[&magnet, "-o", "out", "--json"]));
    same(place.path(), "shared", "out");
    assert_eq!(done["verified"]["at"], torrent.info.hash.to_string());
    assert_eq!(done["sources"][0]["kind"], "peer");
    let output = fetch(place.path(), &[&magnet, "-o", "other"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn the_torrent_that_a_magnet_link_points_to_counts_only_when_it_has_the_hash() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(6, 100_000);
    std::fs::write(place.path().join("a.iso"), &bytes).unwrap();
    run(place.path(), "transmission-create", &["-o", "t.torrent", "a.iso"]);
    std::fs::remove_file(place.path().join("a.iso")).unwrap();
    let torrent = std::fs::read(place.path().join("t.torrent")).unwrap();
    let web = Web::start(&[("/t.torrent", file(&torrent)), ("/a.iso", file(&bytes))], NOT_FOUND);
    let hash = Metainfo::from_bytes(&torrent).unwrap().info.hash;
    let link = |hash: &InfoHash| {
        format!("magnet:?xt=urn:btih:{hash}&xs={}&ws={}", web.url("/t.torrent"), web.url("/a.iso"))
    };
    json(&fetch(place.path(), &[&link(&hash), "--json"]));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
    let output = fetch(place.path(), &[&link(&InfoHash([7; 20])), "-o", "b.iso"]);
    assert!(text(&output).contains(&format!("is the torrent {hash}: not used")), "{}", text(&output));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn urls_of_ipv6_are_fetched_with_mirrors_of_ipv4() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(7, 200_000);
    std::fs::write(place.path().join("a.iso"), &bytes).unwrap();
    run(place.path(), "transmission-create", &["-s", "32", "-o", "t.torrent", "a.iso"]);
    std::fs::remove_file(place.path().join("a.iso")).unwrap();
    let pages = [
        ("/a.iso", file(&bytes)),
        ("/t.torrent", file(&std::fs::read(place.path().join("t.torrent")).unwrap())),
    ];
    let (six, four) = (Web::start_at_six(&pages, NOT_FOUND), Web::start(&pages, NOT_FOUND));
    let url = |path: &str| format!("http://[::1]:{}{path}", six.port);
    json(&fetch(place.path(), &[&url("/a.iso"), "--json"]));
    std::fs::remove_file(place.path().join("a.iso")).unwrap();
    let mirror = four.url("/a.iso");
    let done = json(&fetch(
        place.path(),
        &[&url("/a.iso"), "--torrent", &url("/t.torrent"), "--mirror", &mirror, "--json"],
    ));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
    assert_eq!(done["sources"].as_array().unwrap().len(), 2, "{done}");
}
