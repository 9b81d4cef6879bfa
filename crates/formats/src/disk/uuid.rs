//! Names of disks that no other disk has.

use std::fmt;

/// A UUID (RFC 9562), its bytes in the order in which they are written as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// From the mixed order of Microsoft's GUIDs: the first three groups are little-endian.
    pub const fn from_mixed(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        let [i, j, k, l, m, n, o, p] = rest;
        Self([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
    }

    /// In the mixed order of Microsoft's GUIDs.
    pub const fn to_mixed(self) -> [u8; 16] {
        // The order is its own inverse.
        Self::from_mixed(self.0).0
    }

    /// Whether it is all zeros, which stands for none.
    pub fn is_nil(self) -> bool {
        self.0 == [0; 16]
    }

    /// From text, with or without braces.
    pub fn from_text(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !b"{}-".contains(byte)).collect();
        let digits = std::str::from_utf8(&digits).ok().filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if [4, 6, 8, 10].contains(&index) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Uuid;

    #[test]
    fn the_mixed_order_turns_the_first_three_groups() {
        let bytes = *b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08";
        let uuid = Uuid::from_mixed(bytes);
        assert_eq!(uuid.to_string(), "2dc27766-f623-4200-9d64-115e9bfd4a08");
        assert_eq!(uuid.to_mixed(), bytes);
        assert_eq!(Uuid::from_text("{2DC27766-F623-4200-9D64-115E9BFD4A08}"), Some(uuid));
        assert_eq!(Uuid::from_text("2DC27766"), None);
    }
}
