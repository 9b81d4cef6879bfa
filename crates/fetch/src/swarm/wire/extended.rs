//! BEP 10's handshake, BEP 9's metadata messages, and `bw_busy`, which is ours.

use std::time::Duration;

use bootwright_image::torrent::bencode::{DecodeError, Value};

use crate::source::MirrorKey;

/// The number under which we take `ut_metadata` messages.
pub const OUR_METADATA_ID: u8 = 1;

/// The number under which we take `bw_busy` messages.
pub const OUR_BUSY_ID: u8 = 2;

/// Bytes of a piece of metadata (BEP 9).
pub const METADATA_PIECE: usize = 16 << 10;

/// The handshake of BEP 10: what of it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extended {
    /// The number under which the sender takes `ut_metadata` messages; none when it does not.
    pub metadata_id: Option<u8>,
    /// The same for `bw_busy` messages: a machine of a fleet.
    pub busy_id: Option<u8>,
    /// Bytes of the info dictionary.
    pub metadata_size: Option<u32>,
    /// Requests that the sender holds at a time.
    pub requests: Option<u32>,
    /// Name and version of the sender.
    pub client: Option<String>,
    /// The port on which the sender listens.
    pub port: Option<u16>,
    /// Ours: the sender is the origin of a fleet, see
    /// [`Greeting::origin`](crate::swarm::policy::Greeting).
    pub origin: bool,
}

/// A client's name is shown to people: no longer than that.
const CLIENT: usize = 64;

impl Extended {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut entries = Vec::new();
        let extensions = [("bw_busy", self.busy_id), ("ut_metadata", self.metadata_id)];
        let known = extensions.into_iter().filter_map(|(name, id)| Some((name, Value::Integer(id?.into()))));
        entries.push(("m", dict(known)));
        let integer = |number: u32| Value::Integer(number.into());
        entries.extend(self.metadata_size.map(|size| ("metadata_size", integer(size))));
        entries.extend(self.requests.map(|requests| ("reqq", integer(requests))));
        entries.extend(self.port.map(|port| ("p", integer(port.into()))));
        entries.extend(self.client.as_deref().map(|client| ("v", Value::Bytes(client.as_bytes()))));
        entries.extend(self.origin.then_some(("bw_origin", Value::Integer(1))));
        dict(entries).encode()
    }

    /// Reads the other side's. What is missing or has another type is left out: each key is optional.
    ///
    /// # Errors
    /// When it is no bencoding.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let value = Value::decode(bytes)?;
        let integer = |key| value.get(key).and_then(Value::integer);
        let extensions = value.get("m");
        // 0 takes an extension back.
        let id = |name| {
            let id = extensions.and_then(|m| m.get(name)).and_then(Value::integer)?;
            u8::try_from(id).ok().filter(|id| *id != 0)
        };
        let client = value.get("v").and_then(Value::text);
        Ok(Self {
            metadata_id: id("ut_metadata"),
            busy_id: id("bw_busy"),
            metadata_size: integer("metadata_size").and_then(|size| u32::try_from(size).ok()),
            requests: integer("reqq").and_then(|requests| u32::try_from(requests).ok()),
            client: client.map(|client| client.chars().filter(|c| !c.is_control()).take(CLIENT).collect()),
            port: integer("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
            origin: integer("bw_origin") == Some(1),
        })
    }
}

fn dict<'a>(entries: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Value<'a> {
    Value::Dict(entries.into_iter().map(|(key, value)| (key.as_bytes(), value)).collect())
}

/// A message of BEP 9.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metadata<'a> {
    /// Asks for a piece.
    Request(u32),
    /// The piece, and the size of all of them.
    Data(u32, u32, &'a [u8]),
    /// It will not be sent.
    Reject(u32),
}

impl<'a> Metadata<'a> {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, piece) = match self {
            Self::Request(piece) => (0, *piece),
            Self::Data(piece, ..) => (1, *piece),
            Self::Reject(piece) => (2, *piece),
        };
        let mut entries = vec![("msg_type", Value::Integer(kind)), ("piece", Value::Integer(piece.into()))];
        let mut data: &[u8] = &[];
        if let Self::Data(_, size, bytes) = self {
            entries.push(("total_size", Value::Integer((*size).into())));
            data = bytes;
        }
        let mut bytes = dict(entries).encode();
        bytes.extend_from_slice(data);
        bytes
    }

    /// Reads one; `None` for a kind that is not known, which BEP 9 has ignored.
    ///
    /// # Errors
    /// When it is no bencoding.
    pub fn read(bytes: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        let (value, length) = Value::decode_prefix(bytes)?;
        let integer = |key| value.get(key).and_then(Value::integer);
        let number = |key| integer(key).and_then(|number| u32::try_from(number).ok());
        let Some(piece) = number("piece") else { return Ok(None) };
        Ok(match integer("msg_type") {
            Some(0) => Some(Self::Request(piece)),
            Some(1) => {
                let data = bytes.get(length..).unwrap_or_default();
                Some(Self::Data(piece, number("total_size").unwrap_or(0), data))
            }
            Some(2) => Some(Self::Reject(piece)),
            _ => None,
        })
    }
}

/// A mirror has told the sender to come back later (`bw_busy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// Which one.
    pub mirror: MirrorKey,
    /// How long it wants to be left alone from now on; whole seconds are told.
    pub wait: Duration,
}

impl Busy {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let seconds = self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        dict([("mirror", Value::Bytes(self.mirror.as_bytes())), ("seconds", Value::Integer(seconds))])
            .encode()
    }

    /// Reads one; `None` when it is none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let value = Value::decode(bytes).ok()?;
        let Value::Bytes(mirror) = value.get("mirror")? else { return None };
        let seconds = u64::try_from(value.get("seconds")?.integer()?).ok()?;
        Some(Self { mirror: MirrorKey::from_bytes(mirror)?, wait: Duration::from_secs(seconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libtorrent_says_is_understood() {
        let theirs = b"d1:md11:ut_metadatai2ee13:metadata_sizei31235e1:pi6881e4:reqqi500e1:v5:lt2.0e";
        let read = Extended::read(theirs).unwrap();
        assert_eq!((read.metadata_id, read.metadata_size), (Some(2), Some(31235)));
        assert_eq!(
            (read.requests, read.port, read.client.as_deref()),
            (Some(500), Some(6881), Some("lt2.0"))
        );
    }

    #[test]
    fn what_we_say_is_read_again() {
        let ours = Extended {
            metadata_id: Some(OUR_METADATA_ID),
            busy_id: Some(OUR_BUSY_ID),
            metadata_size: Some(9),
            requests: Some(512),
            client: Some("bootwright".into()),
            port: Some(1),
            origin: true,
        };
        assert_eq!(Extended::read(&ours.to_bytes()).unwrap(), ours);
        let data = Metadata::Data(3, 50_000, b"d1:ae");
        assert_eq!(Metadata::read(&data.to_bytes()).unwrap(), Some(data));
        let mirror = MirrorKey::from_bytes(b"12345678").unwrap();
        let busy = Busy { mirror, wait: Duration::from_millis(4001) };
        assert_eq!(busy.to_bytes(), b"d6:mirror8:123456787:secondsi5ee");
        assert_eq!(Busy::read(&busy.to_bytes()), Some(Busy { mirror, wait: Duration::from_secs(5) }));
        for wrong in [&b"d6:mirror8:123456787:secondsi-5ee"[..], b"d6:mirror3:1237:secondsi5ee", b"de", b""] {
            assert_eq!(Busy::read(wrong), None);
        }
    }
}
