//! Bencoding (BEP 3): integers, byte strings, lists, dictionaries.
//!
//! ```text
//! i-42e        integer
//! 4:spam       byte string, its length before the colon
//! l…e          list
//! d…e          dictionary: byte string, value, byte string, value, …
//! ```
//!
//! Of our own because a reader here borrows from its input and gives back the exact bytes of one entry
//! ([`raw_entry`]), which the info-hash is taken over. Read strictly, but for the order of a dictionary's
//! keys, which old writers got wrong; written canonically.

use std::collections::BTreeMap;

/// Nesting in lawful data: a torrent of several files needs 5. Bounds the stack.
pub const MAX_DEPTH: usize = 16;

/// Values in one message. A value takes up to 56 bytes in memory and two on the wire: without a bound, a
/// torrent of 16 MiB could take 450 MiB.
pub const MAX_VALUES: usize = 1 << 17;

/// A bencoded value, borrowed from where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer. BEP 3 sets no bounds; nobody needs more than 64 bits.
    Integer(i64),
    /// A byte string.
    Bytes(&'a [u8]),
    /// A list.
    List(Vec<Value<'a>>),
    /// A dictionary, sorted by raw bytes.
    Dict(BTreeMap<&'a [u8], Value<'a>>),
    /// Bytes that are bencoded already: only for writing.
    Encoded(&'a [u8]),
}

/// Why bytes are not bencoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bencoding: {what} at byte {offset}")]
pub struct DecodeError {
    /// Where.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl<'a> Value<'a> {
    /// Reads one value that takes all of `bytes`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (value, length) = Self::decode_prefix(bytes)?;
        if length < bytes.len() {
            return Err(DecodeError { offset: length, what: "bytes after the value" });
        }
        Ok(value)
    }

    /// Reads the value that `bytes` begin with; also how many bytes it takes. Messages of BEP 9 carry
    /// other data behind it.
    pub fn decode_prefix(bytes: &'a [u8]) -> Result<(Self, usize), DecodeError> {
        let mut reader = Reader { bytes, at: 0, values: 0 };
        let value = reader.value(0)?;
        Ok((value, reader.at))
    }

    /// The bencoded form, dictionaries sorted.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// The entry `key` of a dictionary.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Dict(entries) => entries.get(key.as_bytes()),
            _ => None,
        }
    }

    /// The integer.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The byte string.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The byte string, when it is UTF-8.
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The items of a list.
    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// A dictionary of text keys.
    pub fn dict<const N: usize>(entries: [(&'a str, Self); N]) -> Self {
        Self::Dict(entries.into_iter().map(|(key, value)| (key.as_bytes(), value)).collect())
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => out.extend_from_slice(format!("i{value}e").as_bytes()),
            Self::Bytes(bytes) => write_bytes(bytes, out),
            Self::Encoded(bytes) => out.extend_from_slice(bytes),
            Self::List(items) => {
                out.push(b'l');
                items.iter().for_each(|item| item.write(out));
                out.push(b'e');
            }
            Self::Dict(entries) => {
                out.push(b'd');
                for (key, value) in entries {
                    write_bytes(key, out);
                    value.write(out);
                }
                out.push(b'e');
            }
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(text.as_bytes())
    }
}

/// The exact bytes of the value of `key` in the dictionary that `bytes` are.
pub fn raw_entry<'a>(bytes: &'a [u8], key: &str) -> Result<Option<&'a [u8]>, DecodeError> {
    let mut reader = Reader { bytes, at: 0, values: 0 };
    if !reader.take(b'd') {
        return Err(reader.error("no dictionary"));
    }
    while !reader.take(b'e') {
        let found = reader.byte_string()?;
        let start = reader.at;
        reader.value(1)?;
        if found == key.as_bytes() {
            return Ok(bytes.get(start..reader.at));
        }
    }
    Ok(None)
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, what: &'static str) -> DecodeError {
        DecodeError { offset: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        if depth >= MAX_DEPTH {
            return Err(self.error("too deeply nested"));
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.error("too many values"));
        }
        match self.peek() {
            Some(b'i') => self.integer(),
            Some(b'l') => self.list(depth),
            Some(b'd') => self.dict(depth),
            Some(b'0'..=b'9') => self.byte_string().map(Value::Bytes),
            Some(_) => Err(self.error("no value begins like this")),
            None => Err(self.error("the end comes too early")),
        }
    }

    fn integer(&mut self) -> Result<Value<'a>, DecodeError> {
        self.at += 1;
        let start = self.at;
        self.take(b'-');
        let digits = self.digits();
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        // BEP 3: no leading zeros, no minus zero.
        let lawful = match digits {
            b"0" => text == b"0",
            _ => !digits.is_empty() && !digits.starts_with(b"0"),
        };
        let value = std::str::from_utf8(text).ok().filter(|_| lawful).and_then(|text| text.parse().ok());
        let value = value.ok_or(DecodeError { offset: start, what: "not an integer of 64 bits" })?;
        if !self.take(b'e') {
            return Err(self.error("an integer without end"));
        }
        Ok(Value::Integer(value))
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.take(b'e') {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::List(items))
    }

    fn dict(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        self.at += 1;
        let mut entries = BTreeMap::new();
        while !self.take(b'e') {
            let start = self.at;
            let key = self.byte_string()?;
            let value = self.value(depth + 1)?;
            if entries.insert(key, value).is_some() {
                return Err(DecodeError { offset: start, what: "a key for the second time" });
            }
        }
        Ok(Value::Dict(entries))
    }

    fn byte_string(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.at;
        let digits = self.digits();
        let lawful = digits == b"0" || !digits.starts_with(b"0");
        let length =
            std::str::from_utf8(digits).ok().filter(|_| lawful).and_then(|digits| digits.parse().ok());
        let length: usize =
            length.ok_or(DecodeError { offset: start, what: "not the length of a string" })?;
        if !self.take(b':') {
            return Err(self.error("a length without colon"));
        }
        let end = self.at.checked_add(length);
        let bytes = end.and_then(|end| self.bytes.get(self.at..end));
        let bytes = bytes.ok_or(DecodeError { offset: start, what: "a string longer than the input" })?;
        self.at += length;
        Ok(bytes)
    }

    fn digits(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        rest.get(..count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn what(bytes: &[u8]) -> (usize, &'static str) {
        let error = Value::decode(bytes).unwrap_err();
        (error.offset, error.what)
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(Value::decode(b"4:spam"), Ok("spam".into()));
        assert_eq!(Value::decode(b"i-3e"), Ok(Value::Integer(-3)));
        assert_eq!(Value::decode(b"l4:spam4:eggse"), Ok(Value::List(vec!["spam".into(), "eggs".into()])));
        let dict = Value::dict([("cow", "moo".into()), ("spam", "eggs".into())]);
        assert_eq!(Value::decode(b"d3:cow3:moo4:spam4:eggse"), Ok(dict));
    }

    #[test]
    fn what_the_specification_forbids_is_refused_with_its_place() {
        for bytes in [&b"i-0e"[..], b"i03e", b"ie", b"i-e", b"i9223372036854775808e", b"i+1e"] {
            assert_eq!(what(bytes), (1, "not an integer of 64 bits"));
        }
        assert_eq!(what(b"l3:abc"), (6, "the end comes too early"));
        assert_eq!(what(b"99999999999999999999:a"), (0, "not the length of a string"));
        assert_eq!(what(b"18446744073709551615:a"), (0, "a string longer than the input"));
        assert_eq!(what(b"01:a"), (0, "not the length of a string"));
        assert_eq!(what(b"d1:ai1e1:ai2ee"), (7, "a key for the second time"));
        assert_eq!(what(b"di1ei2ee"), (1, "not the length of a string"));
        assert_eq!(what(b"i1ei2e"), (3, "bytes after the value"));
        assert_eq!(what(b"x"), (0, "no value begins like this"));
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        assert_eq!(what(&[b'l'; 100_000]), (MAX_DEPTH, "too deeply nested"));
        let many = [&b"l"[..], &b"0:".repeat(MAX_VALUES), b"e"].concat();
        assert_eq!(what(&many).1, "too many values");
    }

    #[test]
    fn an_entry_is_given_back_byte_by_byte_even_when_keys_are_out_of_order() {
        let bytes = b"d4:infod1:bi1e1:ai2ee1:ai0ee";
        assert_eq!(raw_entry(bytes, "info"), Ok(Some(&b"d1:bi1e1:ai2ee"[..])));
        assert_eq!(raw_entry(bytes, "none"), Ok(None));
        assert!(raw_entry(b"le", "info").is_err());
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(|value| Value::Integer(value).encode()),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(&bytes).encode()),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let entries = proptest::collection::btree_map("[a-z]{0,5}", inner.clone(), 0..5);
            let dict = entries.prop_map(|entries| {
                let entries = entries.iter().map(|(key, value)| (key.as_bytes(), Value::Encoded(value)));
                Value::Dict(entries.collect()).encode()
            });
            let list = proptest::collection::vec(inner, 0..5).prop_map(|items| {
                Value::List(items.iter().map(|item| Value::Encoded(item)).collect()).encode()
            });
            prop_oneof![dict, list]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_written_alike(bytes in value()) {
            prop_assert_eq!(Value::decode(&bytes).unwrap().encode(), bytes);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(prop_oneof![Just(b'd'), Just(b'l'), Just(b'e'), Just(b'i'), Just(b':'), Just(b'1'), any::<u8>()], 0..60)) {
            if let Ok((value, length)) = Value::decode_prefix(&bytes) {
                prop_assert!(length <= bytes.len());
                let written = value.encode();
                prop_assert_eq!(Value::decode(&written).unwrap(), value);
            }
        }
    }
}
