//! The list of options of a message (RFC 2132), in order.

use std::net::Ipv4Addr;

use super::code;
use super::packet::PacketError;

/// Options by code. What was put last under a code counts; order of writing is order of putting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(Vec<(u8, Vec<u8>)>);

const PAD: u8 = 0;
const END: u8 = 255;
/// The most that one piece of an option can hold; longer options are split (RFC 3396).
const MAX_PIECE: usize = 255;

impl Options {
    /// The bytes of an option.
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == code).map(|(_, value)| value.as_slice())
    }

    /// The first IPv4 address of an option.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.addresses(code).next()
    }

    /// The IPv4 addresses of an option.
    pub fn addresses(&self, code: u8) -> impl Iterator<Item = Ipv4Addr> {
        let (quads, _) = self.get(code).unwrap_or_default().as_chunks::<4>();
        quads.iter().map(|quad| Ipv4Addr::from(*quad))
    }

    /// A number of seconds.
    pub fn seconds(&self, code: u8) -> Option<u32> {
        self.get(code)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A 16-bit number.
    pub fn number(&self, code: u8) -> Option<u16> {
        self.get(code)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// Text without the NULs that some put at its end; `None` when it is not UTF-8.
    pub fn text(&self, code: u8) -> Option<&str> {
        std::str::from_utf8(self.get(code)?).ok().map(|text| text.trim_end_matches('\0'))
    }

    /// Sets an option.
    pub fn put(&mut self, code: u8, value: impl Into<Vec<u8>>) {
        self.remove(code);
        self.0.push((code, value.into()));
    }

    /// Sets an option to IPv4 addresses.
    pub fn put_addresses(&mut self, code: u8, addresses: &[Ipv4Addr]) {
        self.put(code, addresses.iter().flat_map(Ipv4Addr::octets).collect::<Vec<u8>>());
    }

    /// Takes an option out.
    pub fn remove(&mut self, code: u8) {
        self.0.retain(|(known, _)| *known != code);
    }

    /// Every option in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.0.iter().map(|(code, value)| (*code, value.as_slice()))
    }

    /// Adds the options in `field`, which lies `offset` bytes into the message.
    pub(crate) fn read(&mut self, field: &[u8], offset: usize) -> Result<(), PacketError> {
        let mut rest = field;
        while let Some((code, tail)) = rest.split_first() {
            if *code == END {
                break;
            }
            if *code == PAD {
                rest = tail;
                continue;
            }
            let place = PacketError::Option { code: *code, offset: offset + field.len() - rest.len() };
            let (length, tail) = tail.split_first().ok_or(place.clone())?;
            let (value, tail) = tail.split_at_checked(usize::from(*length)).ok_or(place)?;
            match self.0.iter_mut().find(|(known, _)| known == code) {
                Some((_, pieces)) => pieces.extend(value),
                None => self.0.push((*code, value.to_vec())),
            }
            rest = tail;
        }
        Ok(())
    }

    pub(crate) fn encoded_len(&self) -> usize {
        let each = |value: &Vec<u8>| value.len() + 2 * value.len().div_ceil(MAX_PIECE).max(1);
        self.0.iter().map(|(_, value)| each(value)).sum::<usize>() + 1
    }

    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        let (last, first): (Vec<_>, Vec<_>) = self.0.iter().partition(|(code, _)| *code == code::BOOT_FILE);
        for (code, value) in first.into_iter().chain(last) {
            if value.is_empty() {
                bytes.extend([*code, 0]);
            }
            for piece in value.chunks(MAX_PIECE) {
                bytes.extend([*code, piece.len() as u8]);
                bytes.extend(piece);
            }
        }
        bytes.push(END);
    }
}
