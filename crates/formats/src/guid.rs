//! A GUID, or UUID (RFC 9562): 128 bits that name a disk, a partition or its type.

use std::fmt;
use std::str::FromStr;

/// 128 bits that name something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Guid {
    /// In the mixed order of Microsoft's structures, which GPT, VHDX and VDI use: the first three fields are
    /// little-endian.
    pub bytes: [u8; 16],
}

impl Guid {
    /// All zeros: stands for none.
    pub const NIL: Self = Self { bytes: [0; 16] };

    /// From the order in which it is written: `0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709`.
    pub const fn new(number: u128) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = number.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = rest;
        Self { bytes: [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p] }
    }

    /// The number as it is written.
    pub const fn number(self) -> u128 {
        // The mixed order is its own inverse.
        u128::from_be_bytes(Self::new(u128::from_be_bytes(self.bytes)).bytes)
    }

    /// From bytes that lie in the order in which it is written, as VHD, ext4 and swap have them.
    pub const fn from_ordered(bytes: [u8; 16]) -> Self {
        Self::new(u128::from_be_bytes(bytes))
    }

    /// The bytes in the order in which it is written.
    pub const fn ordered(self) -> [u8; 16] {
        self.number().to_be_bytes()
    }

    /// Whether it stands for none.
    pub fn is_nil(self) -> bool {
        self == Self::NIL
    }

    /// From text in braces, as Windows writes it, or without.
    ///
    /// # Errors
    /// [`GuidError`] when it is neither.
    pub fn from_braced(text: &str) -> Result<Self, GuidError> {
        text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text).parse()
    }

    /// A GUID of version 8 (RFC 9562: made in a way of one's own) out of 16 bytes of a digest: the same
    /// seed gives the same GUID.
    pub const fn seeded(seed: [u8; 16]) -> Self {
        const VERSION: u128 = 0xf << 76;
        const VARIANT: u128 = 0b11 << 62;
        let number = u128::from_be_bytes(seed) & !VERSION & !VARIANT;
        Self::new(number | 8 << 76 | 0b10 << 62)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.number();
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            n >> 96,
            n >> 80 & 0xffff,
            n >> 64 & 0xffff,
            n >> 48 & 0xffff,
            n & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no GUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no GUID: write 32 hexadecimal digits as xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")]
pub struct GuidError(String);

impl FromStr for Guid {
    type Err = GuidError;

    fn from_str(text: &str) -> Result<Self, GuidError> {
        let lengths = text.split('-').map(str::len);
        let digits: String = text.split('-').collect();
        if !lengths.eq([8, 4, 4, 4, 12]) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(GuidError(text.to_owned()));
        }
        u128::from_str_radix(&digits, 16).map(Self::new).map_err(|_| GuidError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_esp_type_lies_on_the_disk_as_the_specification_shows() {
        let esp: Guid = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b".parse().unwrap();
        assert_eq!(esp.bytes[..8], [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11]);
        assert_eq!(esp.ordered()[..8], [0xc1, 0x2a, 0x73, 0x28, 0xf8, 0x1f, 0x11, 0xd2]);
        assert_eq!(esp.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert!("c12a7328f81f11d2ba4b00a0c93ec93b".parse::<Guid>().is_err());
        assert!("c12a7328-f81f-11d2-ba4b-+0a0c93ec93b".parse::<Guid>().is_err());
    }

    #[test]
    fn windows_writes_braces_around_it() {
        let text = "2DC27766-F623-4200-9D64-115E9BFD4A08";
        let guid = Guid::from_braced(&format!("{{{text}}}")).unwrap();
        assert_eq!(guid.bytes, *b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08");
        assert_eq!(Guid::from_ordered(guid.ordered()), guid);
        assert_eq!(Guid::from_braced(text), Ok(guid));
        assert!(Guid::from_braced("{2DC27766").is_err());
    }

    #[test]
    fn a_seeded_guid_says_its_version() {
        assert_eq!(Guid::seeded([0xff; 16]).to_string(), "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }
}
