//! Magnet links (BEP 9): `magnet:?xt=urn:btih:HASH&dn=NAME&tr=TRACKER&ws=MIRROR&xs=TORRENT&x.pe=PEER`.

use std::fmt;
use std::str::FromStr;

use super::{InfoHash, InfoHashError, MAX_URLS};

/// The longest link that is read: a few trackers take 1 KiB.
const MAX_LINK: usize = 16 << 10;

/// A magnet link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magnet {
    /// The swarm: `xt`.
    pub info_hash: InfoHash,
    /// A name for people: `dn`. Any text: not fit for a path.
    pub name: Option<String>,
    /// Bytes of the file, as the link claims: `xl`.
    pub length: Option<u64>,
    /// Announce URLs: `tr`.
    pub trackers: Vec<String>,
    /// HTTP URLs of the file: `ws`.
    pub web_seeds: Vec<String>,
    /// URLs of the torrent itself: `xs`.
    pub torrents: Vec<String>,
    /// `HOST:PORT` of peers: `x.pe`.
    pub peers: Vec<String>,
}

/// Why a text is no magnet link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MagnetError {
    /// Another scheme.
    #[error("a magnet link begins with \"magnet:?\"")]
    Scheme,
    /// Absurdly long.
    #[error("the magnet link has {0} bytes, more than {MAX_LINK}")]
    TooLong(usize),
    /// No `xt` that we know.
    #[error("the magnet link names no torrent of version 1 (xt=urn:btih:…)")]
    NoHash,
    /// An `xt=urn:btih:` that is none.
    #[error("the magnet link is wrong: {0}")]
    Hash(#[from] InfoHashError),
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        let query = text.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("magnet:?"));
        let query = query.and_then(|_| text.get(8..)).ok_or(MagnetError::Scheme)?;
        if text.len() > MAX_LINK {
            return Err(MagnetError::TooLong(text.len()));
        }
        let mut info_hash = None;
        let (mut name, mut length) = (None, None);
        let [mut trackers, mut web_seeds, mut torrents, mut peers] = [const { Vec::new() }; 4];
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let add = |list: &mut Vec<String>| {
                if list.len() < MAX_URLS {
                    list.push(value.clone().into_owned());
                }
            };
            // `tr.1=` and `tr.2=` number repeated parameters.
            let key =
                key.split_once('.').filter(|(_, n)| n.parse::<u32>().is_ok()).map_or(&*key, |(key, _)| key);
            match key {
                "xt" if info_hash.is_none() => {
                    info_hash = value.strip_prefix("urn:btih:").map(str::parse).transpose()?;
                }
                "dn" => name = Some(value.into_owned()),
                "xl" => length = value.parse().ok(),
                "tr" => add(&mut trackers),
                "ws" => add(&mut web_seeds),
                "xs" | "as" => add(&mut torrents),
                "x.pe" => add(&mut peers),
                _ => {}
            }
        }
        let info_hash = info_hash.ok_or(MagnetError::NoHash)?;
        Ok(Self { info_hash, name, length, trackers, web_seeds, torrents, peers })
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "magnet:?xt=urn:btih:{}", self.info_hash)?;
        let length = self.length.map(|length| length.to_string());
        let single = [("dn", self.name.as_deref()), ("xl", length.as_deref())];
        let lists =
            [("tr", &self.trackers), ("ws", &self.web_seeds), ("xs", &self.torrents), ("x.pe", &self.peers)];
        let single = single.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let lists =
            lists.into_iter().flat_map(|(key, list)| list.iter().map(move |value| (key, value.as_str())));
        for (key, value) in single.chain(lists) {
            write!(f, "&{key}=")?;
            form_urlencoded::byte_serialize(value.as_bytes()).try_for_each(|part| f.write_str(part))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f10111213";

    #[test]
    fn a_link_as_clients_write_it() {
        let text = format!(
            "magnet:?xt=urn:btmh:1220ab&xt=urn:btih:{HEX}&dn=Debian+13%20netinst&xl=5&tr.1=http%3A%2F%2Ft%2Fannounce\
             &tr=udp://u:6969&ws=http://m/f.iso&xs=http://m/f.torrent&x.pe=10.0.0.7:6881&so=0"
        );
        let magnet: Magnet = text.parse().unwrap();
        assert_eq!(magnet.info_hash.to_string(), HEX);
        assert_eq!((magnet.name.as_deref(), magnet.length), (Some("Debian 13 netinst"), Some(5)));
        assert_eq!(magnet.trackers, ["http://t/announce", "udp://u:6969"]);
        assert_eq!(magnet.web_seeds, ["http://m/f.iso"]);
        assert_eq!(magnet.torrents, ["http://m/f.torrent"]);
        assert_eq!(magnet.peers, ["10.0.0.7:6881"]);
        assert_eq!(magnet.to_string().parse(), Ok(magnet));
    }

    #[test]
    fn what_is_no_link_says_why() {
        assert_eq!("http://x".parse::<Magnet>(), Err(MagnetError::Scheme));
        assert_eq!("magnet:?dn=x".parse::<Magnet>(), Err(MagnetError::NoHash));
        assert!(matches!("magnet:?xt=urn:btih:12".parse::<Magnet>(), Err(MagnetError::Hash(_))));
        assert!(matches!(
            format!("magnet:?{}", "a".repeat(20_000)).parse::<Magnet>(),
            Err(MagnetError::TooLong(_))
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = text.parse::<Magnet>();
            let _ = format!("magnet:?xt=urn:btih:{HEX}&{text}").parse::<Magnet>();
        }
    }
}
