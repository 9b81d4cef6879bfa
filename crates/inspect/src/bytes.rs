//! Numbers and texts out of a few bytes that were read.

use std::io;

use bootwright_formats::ReadAt;

/// A piece of a source, as far as it was there: every field is asked for and may be missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

/// Reads up to `length` bytes at `offset`; fewer where the source ends.
pub(crate) fn read(source: &(impl ReadAt + ?Sized), offset: u64, length: usize) -> io::Result<Bytes> {
    let left = usize::try_from(source.size().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length.min(left)];
    source.read_exact_at(offset, &mut bytes)?;
    Ok(Bytes(bytes))
}

macro_rules! numbers {
    ($($le:ident $be:ident $type:ty),*) => {$(
        pub(crate) fn $le(&self, at: usize) -> Option<$type> {
            self.array(at).map(<$type>::from_le_bytes)
        }

        pub(crate) fn $be(&self, at: usize) -> Option<$type> {
            self.array(at).map(<$type>::from_be_bytes)
        }
    )*};
}

impl Bytes {
    numbers!(le16 be16 u16, le32 be32 u32, le64 be64 u64);

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(crate) fn u8(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    /// Whether `magic` stands at `at`.
    pub(crate) fn has(&self, at: usize, magic: &[u8]) -> bool {
        self.slice(at, magic.len()) == Some(magic)
    }

    pub(crate) fn slice(&self, at: usize, length: usize) -> Option<&[u8]> {
        self.0.get(at..at.checked_add(length)?)
    }

    /// A text in a field of `length` bytes, up to its first NUL.
    pub(crate) fn text(&self, at: usize, length: usize) -> String {
        let field = self.slice(at, length).unwrap_or_default();
        printable(field.split(|&byte| byte == 0).next().unwrap_or_default())
    }

    /// A UUID in the order of its digits, unless it is zero.
    pub(crate) fn uuid(&self, at: usize) -> String {
        self.array(at).map_or_else(String::new, uuid)
    }
}

/// `01234567-89ab-…`; empty for sixteen zeros.
pub(crate) fn uuid(bytes: [u8; 16]) -> String {
    if bytes == [0; 16] {
        return String::new();
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

/// Text from outside: what would steer a terminal is replaced, blanks at the end are cut.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let safe = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.trim_end().chars().map(safe).collect()
}

/// The names of the bits that are set; a bit without a name is told as a number.
pub(crate) fn flags(bits: u32, names: &[(u32, &str)]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut known = 0;
    for (bit, name) in names {
        known |= bit;
        if bits & bit != 0 {
            words.push((*name).to_owned());
        }
    }
    if bits & !known != 0 {
        words.push(format!("unknown-{:#x}", bits & !known));
    }
    words
}
