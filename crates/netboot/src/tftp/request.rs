//! What arrives on port 69.

use super::path::{self, PathError};
use super::{ErrorCode, error};

/// A longer request is refused (RFC 2347 allows 512 bytes; some clients write more).
pub const MAX_REQUEST: usize = 1024;

/// A request that we can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which file, see [`path::clean`].
    pub path: String,
    /// What the client asks for beside it.
    pub options: Options,
}

/// Options that the client asks for; those that we do not know or that make no sense are left out, as
/// RFC 2347 wants it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a block.
    pub blksize: Option<u16>,
    /// Whether it wants to know the size of the file.
    pub tsize: bool,
    /// Seconds before a packet is sent again.
    pub timeout: Option<u8>,
    /// Blocks for one ACK.
    pub windowsize: Option<u16>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a request at all: no answer is due.
    #[error("not a TFTP request")]
    NotARequest,
    /// WRQ.
    #[error("this server only sends files")]
    Write,
    /// `netascii` or `mail`.
    #[error("transfer mode {0:?} is not served: ask for octet (binary)")]
    Mode(String),
    /// The path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl RequestError {
    /// The ERROR packet to answer with, if one is due.
    pub fn packet(&self) -> Option<Vec<u8>> {
        let code = match self {
            Self::NotARequest => return None,
            Self::Write => ErrorCode::AccessViolation,
            Self::Mode(_) => ErrorCode::IllegalOperation,
            Self::Path(PathError::Outside(_)) => ErrorCode::AccessViolation,
            Self::Path(_) => ErrorCode::NotFound,
        };
        Some(error(code, &self.to_string()))
    }
}

impl Request {
    /// Reads a packet that arrived on port 69.
    pub fn parse(packet: &[u8]) -> Result<Self, RequestError> {
        let (opcode, rest) = packet.split_first_chunk::<2>().ok_or(RequestError::NotARequest)?;
        if packet.len() > MAX_REQUEST {
            return Err(RequestError::NotARequest);
        }
        match opcode {
            [0, 1] => {}
            [0, 2] => return Err(RequestError::Write),
            _ => return Err(RequestError::NotARequest),
        }
        // Without its last NUL a request was cut.
        let rest = rest.strip_suffix(&[0]).ok_or(RequestError::NotARequest)?;
        let mut texts = rest.split(|byte| *byte == 0);
        let (name, mode) = (texts.next().unwrap_or_default(), texts.next().ok_or(RequestError::NotARequest)?);
        if !mode.eq_ignore_ascii_case(b"octet") {
            return Err(RequestError::Mode(crate::machine::printable(mode)));
        }
        let mut options = Options::default();
        while let (Some(option), Some(value)) = (texts.next(), texts.next()) {
            options.set(option, value);
        }
        Ok(Self { path: path::clean(name)?, options })
    }
}

impl Options {
    fn set(&mut self, option: &[u8], value: &[u8]) {
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
        let Some(number) = number else { return };
        match option.to_ascii_lowercase().as_slice() {
            // RFC 2348: 8 to 65 464.
            b"blksize" if (8..=65_464).contains(&number) => self.blksize = u16::try_from(number).ok(),
            b"tsize" => self.tsize = true,
            b"timeout" if number > 0 => self.timeout = u8::try_from(number).ok(),
            b"windowsize" if number > 0 => self.windowsize = u16::try_from(number).ok(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_ovmf_asks_is_understood() {
        let packet = b"\0\x01w/image.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0";
        let request = Request::parse(packet).unwrap();
        assert_eq!(request.path, "w/image.efi");
        let expected = Options { blksize: Some(1468), tsize: true, timeout: None, windowsize: Some(4) };
        assert_eq!(request.options, expected);
    }

    #[test]
    fn options_out_of_bounds_are_as_if_not_there() {
        let packet = b"\0\x01a\0OCTET\0blksize\x007\0windowsize\x000\0timeout\x00256\0odd\0x\0lonely\0";
        assert_eq!(Request::parse(packet).unwrap().options, Options::default());
    }

    #[test]
    fn what_cannot_be_served_is_refused_in_words() {
        assert_eq!(Request::parse(b"\0\x02a\0octet\0"), Err(RequestError::Write));
        let error = Request::parse(b"\0\x01a\0netascii\0").unwrap_err();
        assert_eq!(error.packet().unwrap()[..4], [0, 5, 0, 4]);
        assert_eq!(Request::parse(b"\0\x01a\0octet"), Err(RequestError::NotARequest), "cut");
        assert_eq!(Request::parse(b"\0\x01../a\0octet\0").unwrap_err().packet().unwrap()[..4], [0, 5, 0, 2]);
        assert_eq!(RequestError::NotARequest.packet(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(packet in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let _ = Request::parse(&packet);
        }

        #[test]
        fn no_request_like_bytes_make_it_panic(packet in "\\x00\\x01[a-z./\\x00]{0,40}\\x00octet\\x00[a-z0-9\\x00]{0,60}\\x00") {
            let _ = Request::parse(packet.as_bytes());
        }
    }
}
