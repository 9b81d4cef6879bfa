//! Other people's programs judge our torrents, and we read theirs.
#![allow(clippy::panic, reason = "helpers of tests may panic")]

use std::path::Path;
use std::process::Command;

use bootwright_image::chunks::ChunkDigester;
use bootwright_image::torrent::{Content, Info, Metainfo};
use bootwright_image::{RootFormat, RootManifest};

/// Two whole chunks and a part of one.
fn content() -> Vec<u8> {
    (0u32..150_000).flat_map(u32::to_le_bytes).collect()
}

fn manifest() -> RootManifest {
    let mut digester = ChunkDigester::new(256 << 10);
    digester.update(&content());
    let (size, digest, chunks) = digester.finish();
    RootManifest {
        schema: 1,
        file: "root.img".into(),
        format: RootFormat::Erofs,
        size,
        digest,
        chunks,
        verity: None,
    }
}

fn ours() -> Metainfo {
    Metainfo {
        info: Info::of(&manifest()),
        trackers: vec![vec!["http://10.0.0.1/announce".into()], vec!["http://10.0.0.2/announce".into()]],
        web_seeds: vec!["http://10.0.0.1/images/w/root.img".into()],
    }
}

/// What the program prints; its package is in the list of `xtask`.
fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: see xtask/src/packages.rs"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn aria2_transmission_and_libtorrent_read_our_torrent_alike() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("root.torrent"), ours().to_bytes()).unwrap();
    let hash = ours().info.hash.to_string();

    let told = run(place.path(), "aria2c", &["-S", "root.torrent"]);
    for word in [hash.as_str(), "root.img", "http://10.0.0.1/announce", "http://10.0.0.2/announce", "600,000"]
    {
        assert!(told.contains(word), "{word} in {told}");
    }
    let told = run(place.path(), "transmission-show", &["root.torrent"]);
    for word in [hash.as_str(), "Piece Count: 3", "256.0 KiB", "http://10.0.0.1/images/w/root.img", "Tier #2"]
    {
        assert!(told.contains(word), "{word} in {told}");
    }
    let script = "import libtorrent as lt\ni = lt.torrent_info('root.torrent')\n\
                  print(i.info_hash(), i.name(), i.total_size(), i.num_pieces(), i.piece_length())\n\
                  print([t.url for t in i.trackers()], [s['url'] for s in i.web_seeds()])";
    let told = run(place.path(), "/usr/bin/python3", &["-c", script]);
    let (trackers, seeds) =
        ("['http://10.0.0.1/announce', 'http://10.0.0.2/announce']", "['http://10.0.0.1/images/w/root.img']");
    assert_eq!(told, format!("{hash} root.img 600000 3 262144\n{trackers} {seeds}\n"));
}

#[test]
fn we_read_what_transmission_and_libtorrent_make_of_the_same_file() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("root.img"), content()).unwrap();
    let arguments = ["-s", "256", "-t", "http://t/announce", "-o", "t.torrent", "root.img"];
    run(place.path(), "transmission-create", &arguments);
    let script = "import libtorrent as lt\nfs = lt.file_storage()\nlt.add_files(fs, 'root.img')\n\
                  t = lt.create_torrent(fs, 262144, flags=lt.create_torrent.v1_only)\n\
                  t.add_tracker('http://t/announce')\nt.add_url_seed('http://m/')\nlt.set_piece_hashes(t, '.')\n\
                  open('l.torrent', 'wb').write(lt.bencode(t.generate()))";
    run(place.path(), "/usr/bin/python3", &["-c", script]);
    for file in ["t.torrent", "l.torrent"] {
        let torrent = Metainfo::from_bytes(&std::fs::read(place.path().join(file)).unwrap()).unwrap();
        torrent.info.agrees_with(&manifest()).unwrap();
        assert_eq!(torrent.trackers, [["http://t/announce"]], "{file}");
        assert_eq!((torrent.info.file_name(), torrent.info.size()), (Some("root.img"), 600_000), "{file}");
        let told = run(place.path(), "transmission-show", &[file]);
        assert!(told.contains(&torrent.info.hash.to_string()), "{told}");
    }
}

#[test]
fn a_directory_of_transmission_is_told_from_a_file() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("d")).unwrap();
    for name in ["a", "b"] {
        std::fs::write(place.path().join("d").join(name), content()).unwrap();
    }
    run(place.path(), "transmission-create", &["-o", "d.torrent", "d"]);
    let torrent = Metainfo::from_bytes(&std::fs::read(place.path().join("d.torrent")).unwrap()).unwrap();
    let Content::Files(files) = &torrent.info.content else { panic!("{:?}", torrent.info.content) };
    let paths: Vec<_> = files.iter().map(|file| (file.path.to_string(), file.size)).collect();
    assert_eq!(paths, [("a".into(), 600_000), ("b".into(), 600_000)]);
}
