//! The format of messages.
//!
//! ```text
//! msg-type, 1 │ transaction-id, 3 │ options: code, 2 │ length, 2 │ value …        (sections 8 and 21.1)
//! ```

use super::code;

/// Options of one message; more than anybody sends, and a bound for one that is made of empty ones.
const MAX_OPTIONS: usize = 256;
/// Length of code and length of an option.
const OPTION_HEAD: usize = 4;

/// Types of messages that client and server exchange, section 7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // the names of the RFC
pub enum Kind {
    Solicit = 1,
    Advertise = 2,
    Request = 3,
    Confirm = 4,
    Renew = 5,
    Rebind = 6,
    Reply = 7,
    Release = 8,
    Decline = 9,
    Reconfigure = 10,
    InformationRequest = 11,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Solicit,
        Self::Advertise,
        Self::Request,
        Self::Confirm,
        Self::Renew,
        Self::Rebind,
        Self::Reply,
        Self::Release,
        Self::Decline,
        Self::Reconfigure,
        Self::InformationRequest,
    ];
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not even a head.
    #[error("{0} bytes are too few for a message of DHCPv6")]
    Short(usize),
    /// Between relays and servers, or unknown.
    #[error("message type {0} is none between client and server")]
    Kind(u8),
    /// An option reaches beyond the end.
    #[error("the option at byte {0} is cut off")]
    Cut(usize),
    /// A flood of options.
    #[error("more than {MAX_OPTIONS} options")]
    Options,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Ties an answer to its question; 24 bits.
    pub transaction: u32,
    /// The options.
    pub options: Options,
}

/// Options in the order of the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(Vec<(u16, Vec<u8>)>);

impl Message {
    /// A message with no options yet.
    pub fn new(kind: Kind, transaction: u32) -> Self {
        Self { kind, transaction: transaction & 0xff_ffff, options: Options::default() }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Malformed`] when it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some(([kind, a, b, c], options)) = bytes.split_first_chunk() else {
            return Err(Malformed::Short(bytes.len()));
        };
        let found = Kind::ALL.into_iter().find(|known| *known as u8 == *kind);
        Ok(Self {
            kind: found.ok_or(Malformed::Kind(*kind))?,
            transaction: u32::from_be_bytes([0, *a, *b, *c]),
            options: Options::parse(options, OPTION_HEAD)?,
        })
    }

    /// Writes the message.
    pub fn encode(&self) -> Vec<u8> {
        let [_, a, b, c] = self.transaction.to_be_bytes();
        let mut bytes = vec![self.kind as u8, a, b, c];
        self.options.encode(&mut bytes);
        bytes
    }
}

impl Options {
    /// Reads options that begin `at` bytes behind what an error is to count from.
    ///
    /// # Errors
    /// [`Malformed`] when one is cut off, or there are too many.
    pub fn parse(mut bytes: &[u8], mut at: usize) -> Result<Self, Malformed> {
        let mut options = Vec::new();
        while !bytes.is_empty() {
            let ([code_high, code_low, high, low], rest) =
                bytes.split_first_chunk().ok_or(Malformed::Cut(at))?;
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (value, rest) = rest.split_at_checked(length).ok_or(Malformed::Cut(at))?;
            if options.len() == MAX_OPTIONS {
                return Err(Malformed::Options);
            }
            options.push((u16::from_be_bytes([*code_high, *code_low]), value.to_vec()));
            bytes = rest;
            at += OPTION_HEAD + length;
        }
        Ok(Self(options))
    }

    /// Adds an option. A value that is longer than an option can be is left out: ours never are.
    pub fn put(&mut self, code: u16, value: impl Into<Vec<u8>>) {
        let value = value.into();
        if u16::try_from(value.len()).is_ok() {
            self.0.push((code, value));
        }
    }

    /// The value of the first option of that code.
    pub fn get(&self, code: u16) -> Option<&[u8]> {
        self.all(code).next()
    }

    /// The values of all options of that code.
    pub fn all(&self, code: u16) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(other, _)| *other == code).map(|(_, value)| value.as_slice())
    }

    /// The status code and its message (section 21.13), when there is one and it is not Success.
    pub fn refusal(&self) -> Option<String> {
        let (status, message) = self.get(code::STATUS)?.split_first_chunk()?;
        let name = match u16::from_be_bytes(*status) {
            0 => return None,
            1 => "UnspecFail".to_owned(),
            2 => "NoAddrsAvail".to_owned(),
            3 => "NoBinding".to_owned(),
            4 => "NotOnLink".to_owned(),
            5 => "UseMulticast".to_owned(),
            other => format!("status {other}"),
        };
        // It goes to a console.
        let message = String::from_utf8_lossy(message);
        let message: String = message.chars().filter(|letter| !letter.is_control()).take(200).collect();
        Some(if message.is_empty() { name } else { format!("{name}: {message}") })
    }

    /// Writes the options behind `bytes`.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        for (code, value) in &self.0 {
            // Longer ones have not been put in.
            let length = u16::try_from(value.len()).unwrap_or_default();
            bytes.extend(code.to_be_bytes());
            bytes.extend(length.to_be_bytes());
            bytes.extend(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use dhcproto::{Decodable as _, Decoder, v6};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_reader_reads_what_we_write() {
        let mut message = Message::new(Kind::Solicit, 0x00ab_cdef);
        message.options.put(code::CLIENT_ID, [0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
        message.options.put(code::ELAPSED, [0, 100]);
        message.options.put(code::REQUESTED, [0, 23, 0, 24]);
        message.options.put(code::RAPID_COMMIT, []);
        let bytes = message.encode();
        let read = v6::Message::decode(&mut Decoder::new(&bytes)).unwrap();
        assert_eq!(read.msg_type(), v6::MessageType::Solicit);
        assert_eq!(read.xid(), [0xab, 0xcd, 0xef]);
        assert!(matches!(
            read.opts().get(v6::OptionCode::ElapsedTime),
            Some(v6::DhcpOption::ElapsedTime(100))
        ));
        assert!(read.opts().get(v6::OptionCode::RapidCommit).is_some());
        assert_eq!(Message::parse(&bytes), Ok(message));
    }

    #[test]
    fn what_is_cut_off_is_told_with_its_place() {
        assert_eq!(Message::parse(&[1, 0, 0]), Err(Malformed::Short(3)));
        assert_eq!(Message::parse(&[12, 0, 0, 0]), Err(Malformed::Kind(12)));
        assert_eq!(Message::parse(&[7, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1]), Err(Malformed::Cut(8)));
        assert_eq!(Message::parse(&[&[7, 0, 0, 0][..], &[0; 4 * 300]].concat()), Err(Malformed::Options));
    }

    #[test]
    fn a_status_is_told_in_the_words_of_the_specification() {
        let mut options = Options::default();
        options.put(code::STATUS, [0, 0]);
        assert_eq!(options.refusal(), None);
        let mut options = Options::default();
        options.put(code::STATUS, *b"\0\x02all\x1bgone");
        assert_eq!(options.refusal().as_deref(), Some("NoAddrsAvail: allgone"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert_eq!(message.encode(), bytes);
            }
        }
    }
}
