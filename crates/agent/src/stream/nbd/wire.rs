//! What the kernel asks and is answered once a network block device is set up: the transmission phase of the
//! NBD protocol (doc/proto.md of the nbd project, linux/nbd.h). Integers are big-endian.
//!
//! ```text
//! request  28 bytes: magic u32 │ flags u16 │ type u16 │ cookie, 8 bytes │ offset u64 │ length u32
//! reply    16 bytes: magic u32 │ error u32 │ cookie, 8 bytes │ the bytes of a read that went well
//! ```
//!
//! There is no handshake: both ends of the socket are ours. Not supported: writing, structured replies.

/// Bytes of a request.
pub const REQUEST: usize = 28;
/// Bytes of a reply without its data.
pub const REPLY: usize = 16;

const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;

/// The longest read: NBD's own limit for those who agree on nothing else. Linux asks for less.
pub const MAX_LENGTH: u32 = 32 << 20;

/// Error numbers of the protocol, which are those of Linux.
pub const EIO: u32 = 5;
pub const EINVAL: u32 = 22;

/// Names a request in its reply.
pub type Cookie = [u8; 8];

/// What the kernel wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Bytes of the device.
    Read {
        /// To be repeated in the reply.
        cookie: Cookie,
        /// The first byte.
        offset: u64,
        /// How many.
        length: u32,
    },
    /// It needs us no more; there is no reply.
    Disconnect,
    /// Something that a read-only device does not do.
    Other {
        /// To be repeated in the reply.
        cookie: Cookie,
    },
}

/// The other end does not speak this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request of the block device begins with {0:#010x}, not with {REQUEST_MAGIC:#010x}")]
pub struct Nonsense(u32);

impl Request {
    /// Reads a request.
    pub fn parse(bytes: &[u8; REQUEST]) -> Result<Self, Nonsense> {
        let [m0, m1, m2, m3, _, _, t0, t1, rest @ ..] = *bytes;
        let magic = u32::from_be_bytes([m0, m1, m2, m3]);
        if magic != REQUEST_MAGIC {
            return Err(Nonsense(magic));
        }
        let [c0, c1, c2, c3, c4, c5, c6, c7, o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3] = rest;
        let cookie = [c0, c1, c2, c3, c4, c5, c6, c7];
        Ok(match u16::from_be_bytes([t0, t1]) {
            0 => Self::Read {
                cookie,
                offset: u64::from_be_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
                length: u32::from_be_bytes([l0, l1, l2, l3]),
            },
            2 => Self::Disconnect,
            _ => Self::Other { cookie },
        })
    }
}

/// The head of a reply; `error` 0 is followed by the data.
pub fn reply(cookie: Cookie, error: u32) -> [u8; REPLY] {
    let mut bytes = [0; REPLY];
    let [head, number, _, _] = bytes.as_chunks_mut::<4>().0 else { return bytes };
    *head = REPLY_MAGIC.to_be_bytes();
    *number = error.to_be_bytes();
    if let Some(field) = bytes.last_chunk_mut() {
        *field = cookie;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_read_of_linux_is_read_and_answered() {
        let mut bytes = [0; REQUEST];
        bytes[..4].copy_from_slice(&[0x25, 0x60, 0x95, 0x13]);
        bytes[8..16].copy_from_slice(b"12345678");
        bytes[22..24].copy_from_slice(&[0x10, 0x00]);
        bytes[26..28].copy_from_slice(&[0x20, 0x00]);
        let cookie = *b"12345678";
        assert_eq!(Request::parse(&bytes), Ok(Request::Read { cookie, offset: 4096, length: 8192 }));
        assert_eq!(reply(cookie, EIO), *b"\x67\x44\x66\x98\0\0\0\x0512345678");
        bytes[7] = 2;
        assert_eq!(Request::parse(&bytes), Ok(Request::Disconnect));
        bytes[7] = 1;
        assert_eq!(Request::parse(&bytes), Ok(Request::Other { cookie }));
        bytes[0] = 0;
        assert_eq!(Request::parse(&bytes), Err(Nonsense(0x0060_9513)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::array::uniform28(any::<u8>())) {
            let _ = Request::parse(&bytes);
        }
    }
}
