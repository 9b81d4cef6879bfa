//! The metainfo file, `.torrent`.

use super::bencode::{self, Value};
use super::{Info, InfoError};
use crate::MAX_MANIFEST;

/// Trackers, and web seeds, that are taken from one torrent: more are of no use, and each costs requests.
pub const MAX_URLS: usize = 32;

/// A metainfo file (BEP 3, 12, 19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    /// What the pieces are.
    pub info: Info,
    /// Announce URLs in tiers: one of a tier is enough, earlier tiers first (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// HTTP URLs of the file (BEP 19). One that ends in `/` is of the directory: the name is to be added.
    pub web_seeds: Vec<String>,
}

/// Why a torrent is refused.
pub type TorrentError = InfoError;

impl Metainfo {
    /// Reads a file. Of trackers and web seeds, what is not text is left out.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TorrentError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(InfoError::TooLarge(bytes.len()));
        }
        let dict = Value::decode(bytes)?;
        let info = bencode::raw_entry(bytes, "info")?;
        let info = info.ok_or(InfoError::Key { key: "info", problem: "missing" })?;
        Ok(Self { info: Info::from_bytes(info)?, trackers: trackers(&dict), web_seeds: web_seeds(&dict) })
    }

    /// The exact bytes of the file: the same torrent always gives the same.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut entries = std::collections::BTreeMap::new();
        entries.insert(&b"info"[..], Value::Encoded(self.info.bytes()));
        if let Some(first) = self.trackers.iter().flatten().next() {
            entries.insert(b"announce", first.as_str().into());
            let tiers = self.trackers.iter().map(|tier| urls(tier)).collect();
            entries.insert(b"announce-list", Value::List(tiers));
        }
        if !self.web_seeds.is_empty() {
            entries.insert(b"url-list", urls(&self.web_seeds));
        }
        Value::Dict(entries).encode()
    }

    /// URLs of the file at its web seeds (BEP 19).
    pub fn mirrors(&self) -> impl Iterator<Item = String> + '_ {
        self.web_seeds
            .iter()
            .map(|url| if url.ends_with('/') { format!("{url}{}", self.info.name) } else { url.clone() })
    }
}

fn urls(urls: &[String]) -> Value<'_> {
    Value::List(urls.iter().map(|url| url.as_str().into()).collect())
}

/// `announce-list` when it is there, else `announce` (BEP 12).
fn trackers(dict: &Value<'_>) -> Vec<Vec<String>> {
    let tiers = dict.get("announce-list").and_then(Value::list).unwrap_or_default();
    let mut left = MAX_URLS;
    let mut take = |tier: &Value<'_>| {
        let urls: Vec<String> = texts(tier).take(left).collect();
        left -= urls.len();
        urls
    };
    let tiers: Vec<_> = tiers.iter().map(&mut take).filter(|tier| !tier.is_empty()).collect();
    if !tiers.is_empty() {
        return tiers;
    }
    let announce = dict.get("announce").and_then(Value::text).filter(|url| !url.is_empty());
    announce.map(|url| vec![vec![url.to_owned()]]).unwrap_or_default()
}

/// `url-list`: a list, or a single string (BEP 19).
fn web_seeds(dict: &Value<'_>) -> Vec<String> {
    match dict.get("url-list") {
        Some(list @ Value::List(_)) => texts(list).take(MAX_URLS).collect(),
        Some(one) => one.text().filter(|url| !url.is_empty()).map(str::to_owned).into_iter().collect(),
        None => Vec::new(),
    }
}

fn texts<'a>(list: &'a Value<'_>) -> impl Iterator<Item = String> + use<'a> {
    let items = list.list().unwrap_or_default().iter();
    items.filter_map(Value::text).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::info::tests::manifest;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let torrent = Metainfo {
            info: Info::of(&manifest(&[1; 100_000])),
            trackers: vec![
                vec!["http://a/announce".into(), "http://b/announce".into()],
                vec!["http://c/".into()],
            ],
            web_seeds: vec!["http://m/images/w/root.img".into(), "http://n/images/w/".into()],
        };
        assert_eq!(Metainfo::from_bytes(&torrent.to_bytes()).unwrap(), torrent);
        let mirrors: Vec<_> = torrent.mirrors().collect();
        assert_eq!(mirrors, ["http://m/images/w/root.img", "http://n/images/w/root.img"]);
    }

    #[test]
    fn the_info_hash_is_of_the_bytes_as_they_came() {
        // `private` out of order, and a key that nobody knows.
        let info =
            b"d6:lengthi1e4:name1:a12:piece lengthi16e6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1e5:otheri7ee";
        let bytes = [b"d8:announce10:http://a/x8:url-list8:http://b4:info", &info[..], b"e"].concat();
        let torrent = Metainfo::from_bytes(&bytes).unwrap();
        assert_eq!(torrent.info.hash, super::super::InfoHash::of(info));
        assert!(torrent.info.private);
        assert_eq!(torrent.trackers, [["http://a/x"]]);
        assert_eq!(torrent.web_seeds, ["http://b"]);
    }

    #[test]
    fn a_flood_of_trackers_is_cut() {
        let info = Info::of(&manifest(&[1; 10]));
        let many = |n| (0..n).map(|n| format!("http://{n}/")).collect::<Vec<_>>();
        let torrent = Metainfo { info, trackers: vec![many(20), many(20), many(20)], web_seeds: many(50) };
        let read = Metainfo::from_bytes(&torrent.to_bytes()).unwrap();
        assert_eq!(read.trackers.iter().flatten().count(), MAX_URLS);
        assert_eq!(read.web_seeds.len(), MAX_URLS);
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_makes_it_panic(at in 0usize..400, value: u8) {
            let info = Info::of(&manifest(&[1; 100_000]));
            let trackers = vec![vec!["http://a/announce".into()]];
            let mut bytes = Metainfo { info, trackers, web_seeds: vec!["http://b/".into()] }.to_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            if let Ok(torrent) = Metainfo::from_bytes(&bytes) {
                let size = torrent.info.size();
                prop_assert_eq!(size.div_ceil(torrent.info.piece_length.into()), torrent.info.pieces.len() as u64);
                prop_assert_eq!(Metainfo::from_bytes(&torrent.to_bytes()).unwrap(), torrent);
            }
        }
    }
}
