//! A mirror as machines of a fleet name it to each other.

use bootwright_image::Digest;
use url::Url;

/// Bytes of a [`MirrorKey`]: enough to tell the mirrors of one fleet apart.
const LENGTH: usize = 8;

/// Names the server of a mirror, without its path, name or password: the first bytes of the SHA-256 of
/// `http://host:port`. Who knows the mirror knows which one is meant, and nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorKey([u8; LENGTH]);

impl MirrorKey {
    /// The server of `url`; `None` when it has none.
    pub fn of(url: &Url) -> Option<Self> {
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        let digest = Digest::of(format!("{}://{host}:{port}", url.scheme()).as_bytes());
        Self::from_bytes(digest.0.get(..LENGTH)?)
    }

    /// Its bytes, as they were told.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes, to be told.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_one_key_whatever_is_asked_of_it() {
        let key = |url: &str| MirrorKey::of(&Url::parse(url).unwrap());
        assert_eq!(key("http://a.test/x/root.img"), key("http://user:secret@a.test:80/y?z#1"));
        assert_ne!(key("http://a.test/x"), key("https://a.test/x"));
        assert_ne!(key("http://a.test/x"), key("http://a.test:81/x"));
        assert_eq!(key("file:///x"), None);
        // printf %s http://a.test:80 | sha256sum
        let told: Vec<String> =
            key("http://a.test/").unwrap().0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(told.concat(), "3f16fe39448505ce");
    }
}
