//! SHA-256 digests, written `sha256:<64 hex digits>` wherever a person or a file sees them.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest (FIPS 180-4), 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The part before the colon is not `sha256`.
    #[error("unknown digest algorithm {0:?}: only sha256 is understood")]
    Algorithm(String),
    /// Not 64 hexadecimal digits.
    #[error("{0:?} is not 64 hexadecimal digits")]
    Hex(String),
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 lower-case hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first 12 hexadecimal digits, for messages to people.
    pub fn short(&self) -> String {
        self.hex().chars().take(12).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseError;

    /// Reads `sha256:<hex>` or the bare 64 digits, as `sha256sum` prints them.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = match text.split_once(':') {
            None => text,
            Some(("sha256", digits)) => digits,
            Some((other, _)) => return Err(ParseError::Algorithm(other.to_owned())),
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ParseError::Hex(digits.to_owned()))?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A running SHA-256 that counts what it has seen. Write into it, or call [`Digester::update`].
#[derive(Clone, Default)]
pub struct Digester {
    sha256: Sha256,
    bytes: u64,
}

impl Digester {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Bytes taken in so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of all that came in.
    pub fn finish(self) -> Digest {
        Digest(self.sha256.finalize().into())
    }
}

impl io::Write for Digester {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_what_sha256sum_prints_and_what_it_prints_itself() {
        let digest = Digest::of(b"");
        assert_eq!(EMPTY.parse(), Ok(digest));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.to_string(), format!("sha256:{EMPTY}"));
    }

    #[test]
    fn refuses_other_algorithms_and_lengths() {
        assert_eq!("md5:00".parse::<Digest>(), Err(ParseError::Algorithm("md5".into())));
        assert_eq!("sha256:00".parse::<Digest>(), Err(ParseError::Hex("00".into())));
        assert!(format!("sha256:{}g", &EMPTY[1..]).parse::<Digest>().is_err());
    }
}
