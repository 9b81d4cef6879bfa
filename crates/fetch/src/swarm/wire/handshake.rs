//! The first 68 bytes of each side (BEP 3).

use bootwright_image::torrent::InfoHash;

use super::WireError;

/// Bytes of a handshake.
pub const HANDSHAKE: usize = 68;

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// BEP 10: byte 5, 0x10. BEP 6: byte 7, 0x04.
const EXTENDED: (usize, u8) = (5, 0x10);
const FAST: (usize, u8) = (7, 0x04);

/// What a side says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// Who it is.
    pub peer_id: [u8; 20],
    /// It knows BEP 10.
    pub extended: bool,
    /// It knows BEP 6.
    pub fast: bool,
}

impl Handshake {
    /// Ours.
    pub fn new(info_hash: InfoHash, peer_id: [u8; 20]) -> Self {
        Self { info_hash, peer_id, extended: true, fast: true }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; HANDSHAKE] {
        let mut reserved = [0; 8];
        for (is, (at, bit)) in [(self.extended, EXTENDED), (self.fast, FAST)] {
            if let Some(byte) = reserved.get_mut(at).filter(|_| is) {
                *byte |= bit;
            }
        }
        let mut bytes = [0; HANDSHAKE];
        let parts: [&[u8]; 4] = [PROTOCOL, &reserved, &self.info_hash.0, &self.peer_id];
        for (byte, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *byte = *from;
        }
        bytes
    }

    /// Reads the other side's.
    ///
    /// # Errors
    /// [`WireError::Protocol`].
    pub fn read(bytes: &[u8; HANDSHAKE]) -> Result<Self, WireError> {
        let read = || {
            let rest = bytes.strip_prefix(PROTOCOL)?;
            let (reserved, rest) = rest.split_first_chunk::<8>()?;
            let (info_hash, rest) = rest.split_first_chunk::<20>()?;
            let (peer_id, _) = rest.split_first_chunk::<20>()?;
            let has = |(at, bit): (usize, u8)| reserved.get(at).is_some_and(|byte| byte & bit != 0);
            let info_hash = InfoHash(*info_hash);
            Some(Self { info_hash, peer_id: *peer_id, extended: has(EXTENDED), fast: has(FAST) })
        };
        read().ok_or(WireError::Protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_read_the_same() {
        let ours = Handshake::new(InfoHash([7; 20]), *b"-BW0010-abcdefghijkl");
        let bytes = ours.to_bytes();
        assert_eq!(&bytes[..28], b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04");
        assert_eq!(Handshake::read(&bytes), Ok(ours));
        assert_eq!(Handshake::read(&[19; HANDSHAKE]), Err(WireError::Protocol));
    }
}
