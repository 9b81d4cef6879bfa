//! Torrents and magnet links.

use std::path::Component;

use bootwright_image::chunks::ChunkDigester;
use bootwright_image::torrent::bencode::Value;
use bootwright_image::torrent::{Info, Magnet, Metainfo};
use bootwright_image::{RootFormat, RootManifest};

/// What is read keeps its promises: pieces cover the size, and writing loses nothing.
pub fn target(data: &[u8]) {
    if let Ok((value, length)) = Value::decode_prefix(data) {
        assert!(length <= data.len());
        assert!(Value::decode(&value.encode()).is_ok());
    }
    if let Ok(torrent) = Metainfo::from_bytes(data) {
        stays_where_it_is_put(&torrent.info);
        let (size, pieces) = (torrent.info.size(), torrent.info.pieces.len() as u64);
        assert_eq!(size.div_ceil(torrent.info.piece_length.into()), pieces);
        assert_eq!(Metainfo::from_bytes(&torrent.to_bytes()), Ok(torrent));
    }
    if let Ok(magnet) = String::from_utf8_lossy(data).parse::<Magnet>() {
        assert_eq!(magnet.to_string().parse(), Ok(magnet));
    }
}

/// No path leads out of the directory, and the files are laid end to end.
fn stays_where_it_is_put(info: &Info) {
    if let Ok(name) = info.place() {
        assert!(!name.is_empty() && !name.contains('/') && name != "." && name != "..");
    }
    let Ok(Some(files)) = info.placed() else { return };
    let mut at = 0;
    for file in files {
        assert_eq!(file.range.start, at);
        at = file.range.end;
        let path = file.path.unwrap_or_else(|| "padding".into());
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
    }
    assert_eq!(at, info.size());
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let mut digester = ChunkDigester::new(1024);
    digester.update(&[7; 3000]);
    let (size, digest, chunks) = digester.finish();
    let format = RootFormat::Squashfs;
    let root =
        RootManifest { schema: 1, file: "root.img".into(), format, size, digest, chunks, verity: None };
    let trackers = vec![vec!["http://a/announce".to_owned()], vec!["http://b/announce".to_owned()]];
    Metainfo { info: Info::of(&root), trackers, web_seeds: vec!["http://m/root.img".into()] }.to_bytes()
}
