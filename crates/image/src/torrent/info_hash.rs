//! The name of a swarm.

use std::fmt;
use std::str::FromStr;

use sha1::{Digest as _, Sha1};

/// SHA-1 of the exact bytes of an info dictionary (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

/// A text that is no info-hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no info-hash: 40 hexadecimal digits, or 32 of base32")]
pub struct InfoHashError(pub String);

impl InfoHash {
    /// Of an info dictionary.
    pub fn of(info: &[u8]) -> Self {
        Self(Sha1::digest(info).into())
    }

    fn from_base32(text: &str) -> Option<Self> {
        let mut bits: u64 = 0;
        let mut bytes = Vec::with_capacity(20);
        // 8 digits of 5 bits are 5 bytes.
        for group in text.as_bytes().chunks(8) {
            for digit in group {
                let value = match digit.to_ascii_uppercase() {
                    letter @ b'A'..=b'Z' => letter - b'A',
                    digit @ b'2'..=b'7' => digit - b'2' + 26,
                    _ => return None,
                };
                bits = bits << 5 | u64::from(value);
            }
            bytes.extend_from_slice(bits.to_be_bytes().get(3..)?);
            bits = 0;
        }
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for InfoHash {
    type Err = InfoHashError;

    /// Reads 40 hexadecimal digits or 32 of base32 (RFC 4648), as magnet links have them (BEP 9).
    fn from_str(text: &str) -> Result<Self, InfoHashError> {
        let mut bytes = [0; 20];
        let hash = match text.len() {
            40 => hex::decode_to_slice(text, &mut bytes).ok().map(|()| Self(bytes)),
            32 => Self::from_base32(text),
            _ => None,
        };
        hash.ok_or_else(|| InfoHashError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_hash() {
        // python3 -c 'import base64,sys; print(base64.b32encode(bytes(range(20))))'
        let expected = InfoHash(std::array::from_fn(|at| at as u8));
        assert_eq!("AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT".parse(), Ok(expected));
        assert_eq!("aaaqeayeaudaocajbifqydiob4ibceqt".parse(), Ok(expected));
        assert_eq!(expected.to_string().parse(), Ok(expected));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "00", "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQ1", &"g".repeat(40), &"ä".repeat(20)] {
            assert_eq!(text.parse::<InfoHash>(), Err(InfoHashError(text.to_owned())));
        }
    }
}
