//! Torrents, read by [`bootwright_image::torrent`]; whether they are about the root beside them.

use std::io;

use bootwright_image::torrent::Metainfo;
use bootwright_image::{MAX_MANIFEST, RootManifest};

use crate::bytes::{printable, read};
use crate::node::{Node, Severity};
use crate::recognise::{Found, Look};
use crate::source::Source;

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    let head = read(source, 0, 2)?;
    if source.size() > MAX_MANIFEST as u64
        || head.u8(0) != Some(b'd')
        || !head.u8(1).is_some_and(|byte| byte.is_ascii_digit())
    {
        return Ok(None);
    }
    let Ok(torrent) = Metainfo::from_bytes(&read(source, 0, MAX_MANIFEST)?.0) else { return Ok(None) };
    let info = &torrent.info;
    let mut node = Node::new("torrent", "torrent", source.size());
    node.text("name", printable(info.name.as_bytes())).text("info hash", info.hash.to_string());
    node.bytes("content", info.size()).bytes("piece size", info.piece_length);
    node.number("pieces", info.pieces.len() as u64).flag("private", info.private);
    node.list("trackers", torrent.trackers.iter().flatten().map(|url| printable(url.as_bytes())).collect());
    node.list("web seeds", torrent.web_seeds.iter().map(|url| printable(url.as_bytes())).collect());
    if torrent.trackers.iter().flatten().next().is_none() && torrent.web_seeds.is_empty() {
        let what = "neither tracker nor web seed: peers are found by other means only";
        node.problem(Severity::Note, None, what, "");
    }
    let manifest = look.beside.map(|files| files.open("root.json")).transpose()?.flatten();
    if let Some(manifest) = manifest {
        let manifest = RootManifest::from_bytes(&read(&manifest, 0, MAX_MANIFEST)?.0);
        if let Some(Err(contradiction)) = manifest.ok().map(|manifest| info.agrees_with(&manifest)) {
            node.problem(Severity::Error, None, contradiction.to_string(), "build the image again");
        }
    }
    Ok(Some(node.into()))
}
