//! What a URL on the command line is.

use bootwright_image::torrent::{Magnet, MagnetError};
use url::Url;

/// Where files are fetched from.
const SCHEMES: [&str; 4] = ["http", "https", "ftp", "ftps"];

/// How the name of a torrent ends.
const TORRENT: &str = ".torrent";

/// Something to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A torrent: a URL, or a file here.
    Torrent(String),
    /// A magnet link.
    Magnet(Magnet),
    /// The manifest of an image.
    Image(Url),
    /// Any other file.
    Plain(Url),
}

impl Address {
    /// Reads it, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:?")) {
            return text.parse().map(Self::Magnet).map_err(|error: MagnetError| error.to_string());
        }
        // A path is none of a URL.
        if Url::parse(text) == Err(url::ParseError::RelativeUrlWithoutBase) && text.ends_with(TORRENT) {
            return Ok(Self::Torrent(text.to_owned()));
        }
        let url = Url::parse(text).map_err(|error| format!("{text:?} is no URL: {error}"))?;
        if !SCHEMES.contains(&url.scheme()) {
            return Err(format!("{text}: {} is not supported: {}", url.scheme(), SCHEMES.join(", ")));
        }
        match file_name(&url) {
            Some("image.json") => Ok(Self::Image(url)),
            Some(name) if name.ends_with(TORRENT) => Ok(Self::Torrent(text.to_owned())),
            Some(_) => Ok(Self::Plain(url)),
            None => Err(format!("{text} names a directory: name a file, or the image.json of an image")),
        }
    }
}

/// A URL that files are fetched from.
pub(super) fn web(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| SCHEMES.contains(&url.scheme()))
}

/// The last part of the path, as it stands there.
pub(super) fn file_name(url: &Url) -> Option<&str> {
    url.path_segments()?.next_back().filter(|name| !name.is_empty())
}

/// The file `name` at a mirror: `mirror` is its URL, or that of its directory when it ends in a slash.
pub(super) fn at_mirror(mirror: &Url, name: &str) -> Url {
    if !mirror.path().ends_with('/') {
        return mirror.clone();
    }
    let mut url = mirror.clone();
    url.set_path(&format!("{}{name}", mirror.path()));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_told_by_its_manifest() {
        assert!(matches!(Address::parse("http://a/images/w/image.json?x=1"), Ok(Address::Image(_))));
        assert!(matches!(Address::parse("https://a/debian.iso"), Ok(Address::Plain(_))));
        assert!(matches!(Address::parse("http://a/x.torrent"), Ok(Address::Torrent(_))));
        assert!(matches!(Address::parse("dir/x y.torrent"), Ok(Address::Torrent(_))));
        let magnet = format!("magnet:?xt=urn:btih:{}", "0".repeat(40));
        assert!(matches!(Address::parse(&magnet), Ok(Address::Magnet(_))));
        for wrong in ["debian.iso", "http://a/", "http://a/dir/", "gopher://a/b", "magnet:?xt=urn:btih:0"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_mirror_is_a_file_or_a_directory() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(at_mirror(&url("http://m/w/"), "root.img"), url("http://m/w/root.img"));
        assert_eq!(at_mirror(&url("http://m/other.img?v=2"), "root.img"), url("http://m/other.img?v=2"));
        assert_eq!(at_mirror(&url("http://m"), "a%20b"), url("http://m/a%20b"));
    }
}
