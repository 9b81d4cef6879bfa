//! TFTP (RFC 1350) for reading, with options (RFC 2347): `blksize` (2348), `tsize` and `timeout` (2349),
//! `windowsize` (7440).
//!
//! ```text
//! RRQ    1 | path NUL | mode NUL | option NUL | value NUL …
//! DATA   3 | block    | up to blksize bytes; fewer end the transfer
//! ACK    4 | block
//! ERROR  5 | code     | text NUL
//! OACK   6 | option NUL | value NUL …
//! ```
//!
//! [`request`] reads what arrives on port 69, [`path`] says which file it means, a [`Session`] sends it.
//! Block numbers go on with 0 after 65 535. Not supported: writing, `netascii`, `multicast` (RFC 2090).

pub mod path;
pub mod request;
mod session;

pub use request::{Options, Request, RequestError};
pub use session::{Blocks, End, FIRST_TIMEOUT, Limits, MAX_RETRIES, Session, Step};

/// Where requests arrive.
pub const PORT: u16 = 69;
/// Bytes of a block unless the client asks for another size.
pub const DEFAULT_BLKSIZE: u16 = 512;
/// Bytes of a DATA packet before the data.
pub const DATA_HEADER: usize = 4;

/// Error codes (RFC 1350 section 5, RFC 2347).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs, reason = "the RFC names them")]
pub enum ErrorCode {
    Undefined = 0,
    NotFound = 1,
    AccessViolation = 2,
    IllegalOperation = 4,
    Options = 8,
}

/// An ERROR packet.
pub fn error(code: ErrorCode, text: &str) -> Vec<u8> {
    let mut packet = vec![0, 5];
    packet.extend((code as u16).to_be_bytes());
    packet.extend(text.bytes().filter(|byte| *byte != 0));
    packet.push(0);
    packet
}

/// The header of DATA packet `block`, counted from 1 without roll-over.
pub fn data_header(block: u64) -> [u8; DATA_HEADER] {
    let [high, low] = (block as u16).to_be_bytes();
    [0, 3, high, low]
}
