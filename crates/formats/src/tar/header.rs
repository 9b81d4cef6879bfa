//! The 512-byte header block.

use super::{BLOCK, TarProblem};

/// A header block whose checksum is right.
pub(super) struct Header<'a>(&'a [u8; BLOCK as usize]);

impl<'a> Header<'a> {
    /// Checks the checksum: the sum of all bytes, the field itself taken as spaces.
    pub fn parse(block: &'a [u8; BLOCK as usize]) -> Result<Self, TarProblem> {
        let header = Self(block);
        let written = header.number(148, 8, "chksum")?;
        if written != u64::from(checksum(block)) {
            return Err(TarProblem::Checksum);
        }
        Ok(header)
    }

    pub fn typeflag(&self) -> u8 {
        self.0[156]
    }

    pub fn mode(&self) -> Result<u32, TarProblem> {
        Ok((self.number(100, 8, "mode")? & 0o7777) as u32)
    }

    pub fn uid(&self) -> Result<u32, TarProblem> {
        narrow(self.number(108, 8, "uid")?, "uid")
    }

    pub fn gid(&self) -> Result<u32, TarProblem> {
        narrow(self.number(116, 8, "gid")?, "gid")
    }

    pub fn size(&self) -> Result<u64, TarProblem> {
        self.number(124, 12, "size")
    }

    pub fn mtime(&self) -> Result<i64, TarProblem> {
        // Two's complement: GNU tar writes times before 1970 in base 256 with the sign extended.
        Ok(self.number(136, 12, "mtime")?.cast_signed())
    }

    pub fn device(&self) -> Result<(u32, u32), TarProblem> {
        let major = narrow(self.number(329, 8, "devmajor")?, "devmajor")?;
        Ok((major, narrow(self.number(337, 8, "devminor")?, "devminor")?))
    }

    /// The name, with ustar's prefix before it.
    pub fn name(&self) -> Vec<u8> {
        let name = self.text(0, 100);
        // GNU's own magic ("ustar  ") puts other things where POSIX has the prefix.
        let posix = self.field(257, 8) == b"ustar\x0000";
        let prefix = self.text(345, 155);
        if !posix || prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub fn link_name(&self) -> Vec<u8> {
        self.text(157, 100).to_vec()
    }

    /// `realsize` of a member of GNU's type `S`.
    pub fn real_size(&self) -> Result<u64, TarProblem> {
        self.number(483, 12, "realsize")
    }

    /// Of a member of GNU's type `S`, the first entries of its list, and whether blocks with more of them follow.
    pub fn sparse(&self) -> (&'a [u8], bool) {
        (self.field(386, 96), self.0[482] != 0)
    }

    fn field(&self, at: usize, length: usize) -> &'a [u8] {
        self.0.get(at..at + length).unwrap_or_default()
    }

    fn text(&self, at: usize, length: usize) -> &'a [u8] {
        let field = self.field(at, length);
        let end = field.iter().position(|b| *b == 0).unwrap_or(length);
        field.get(..end).unwrap_or_default()
    }

    fn number(&self, at: usize, length: usize, name: &'static str) -> Result<u64, TarProblem> {
        number(self.field(at, length)).ok_or(TarProblem::Number(name))
    }
}

/// A number in either notation.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base256(field),
        _ => octal(field),
    }
}

pub(super) fn checksum(block: &[u8; BLOCK as usize]) -> u32 {
    let sum = |range: &[u8]| range.iter().map(|b| u32::from(*b)).sum::<u32>();
    sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..])
}

fn narrow(number: u64, name: &'static str) -> Result<u32, TarProblem> {
    u32::try_from(number).map_err(|_| TarProblem::Number(name))
}

/// Octal digits between optional spaces, ended by a space, a NUL or the field. An empty field is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    let digits = field.get(..end)?.trim_ascii();
    digits.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Big-endian two's complement, the top bit of the first byte being the mark of the notation.
fn base256(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    let negative = first & 0x40 != 0;
    let start = if negative { i128::from(*first) - 256 } else { i128::from(first & 0x7f) };
    let number = rest
        .iter()
        .try_fold(start, |number, byte| number.checked_mul(256)?.checked_add(i128::from(*byte)))?;
    if negative { i64::try_from(number).ok().map(i64::cast_unsigned) } else { u64::try_from(number).ok() }
}
