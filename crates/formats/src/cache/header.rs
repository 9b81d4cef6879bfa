//! One copy of the header.

use std::ops::Range;

use super::{ALIGNMENT, BLOCK, HEAD, MAX_GENERATIONS, room_for};
use crate::Guid;
use crate::fields::{bytes_at, put, u32_le, u64_le};

/// Bytes of a header.
pub const HEADER_SIZE: usize = 4096;

const MAGIC: &[u8; 8] = b"BWCACHE\0";
const VERSION: u32 = 1;
const ENTRIES: usize = 64;
const ENTRY: usize = 96;
const CHECKSUM: usize = HEADER_SIZE - 4;
const _: () = assert!(ENTRIES + MAX_GENERATIONS * ENTRY <= CHECKSUM);

/// What has become of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Bit 0: every byte of it has been written and has reached the disk.
    pub complete: bool,
    /// Bit 1: a system that ran from it has said that it is well.
    pub good: bool,
    /// Bit 2: it was entered and nothing has been heard of its system since.
    pub entered: bool,
}

/// A root that lies in the cache, or is being written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Where it begins, in bytes from the start of the partition: a multiple of [`ALIGNMENT`].
    pub offset: u64,
    /// Bytes of the root.
    pub root: u64,
    /// Bytes of the root manifest, which lies behind it.
    pub manifest: u32,
    /// What has become of it.
    pub state: State,
    /// The header's sequence number when it was entered last; 0 when it never was.
    pub entered_at: u64,
    /// SHA-256 of the root manifest.
    pub digest: [u8; 32],
}

/// The header of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Grows by one with each change.
    pub sequence: u64,
    /// Bytes of the partition.
    pub size: u64,
    /// Names the cache.
    pub guid: Guid,
    /// What lies in it, in any order.
    pub generations: Vec<Generation>,
}

/// Why bytes are no header; offsets are those within it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Something else is there, or nothing.
    #[error("no cache: its signature is missing at byte 0")]
    Signature,
    /// Fewer than [`HEADER_SIZE`] bytes.
    #[error("a header of a cache has {HEADER_SIZE} bytes, here are {0}")]
    Short(usize),
    /// Written by a program that is newer than this one.
    #[error("version {0} of the cache at byte 8 is unknown, this program knows {VERSION}")]
    Version(u32),
    /// Torn or damaged.
    #[error("the header's CRC-32 is {found:08x}, at byte {CHECKSUM} stands {stored:08x}")]
    Checksum {
        /// Of the bytes.
        found: u32,
        /// As it stands there.
        stored: u32,
    },
    /// A number that cannot be.
    #[error("{what} at byte {offset} is {value}")]
    Value {
        /// Which one.
        what: &'static str,
        /// Where.
        offset: usize,
        /// What it is.
        value: u64,
    },
    /// Two generations at one place, or of one root.
    #[error("generations {0} and {1} of the cache have the same place or the same root")]
    Twice(usize, usize),
}

impl State {
    fn bits(self) -> u32 {
        u32::from(self.complete) | u32::from(self.good) << 1 | u32::from(self.entered) << 2
    }

    fn from_bits(bits: u32) -> Option<Self> {
        let bit = |number: u32| bits >> number & 1 == 1;
        (bits < 8).then(|| Self { complete: bit(0), good: bit(1), entered: bit(2) })
    }
}

impl Generation {
    /// All that it takes.
    pub fn extent(&self) -> Range<u64> {
        let room = room_for(self.root, self.manifest).unwrap_or(u64::MAX);
        self.offset..self.offset.saturating_add(room)
    }

    /// Where its root is.
    pub fn root_range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.root)
    }

    /// Where its manifest is.
    pub fn manifest_range(&self) -> Range<u64> {
        let start = self.offset.saturating_add(self.root.saturating_add(BLOCK - 1) / BLOCK * BLOCK);
        start..start.saturating_add(u64::from(self.manifest))
    }

    /// Reads entry `number`; `size` is that of the partition.
    fn parse(bytes: &[u8], number: usize, size: u64) -> Result<Self, HeaderError> {
        let at = ENTRIES + number * ENTRY;
        let short = || HeaderError::Short(bytes.len());
        let long = |offset| u64_le(bytes, at + offset).ok_or_else(short);
        let word = |offset| u32_le(bytes, at + offset).ok_or_else(short);
        let wrong = |what, offset, value| Err(HeaderError::Value { what, offset: at + offset, value });
        let (offset, root) = (long(0)?, long(8)?);
        if offset < HEAD || !offset.is_multiple_of(ALIGNMENT) {
            return wrong("where a generation begins", 0, offset);
        }
        if root == 0 {
            return wrong("the size of a root", 8, root);
        }
        let Some(state) = State::from_bits(word(20)?) else {
            return wrong("the state of a generation", 20, word(20)?.into());
        };
        let manifest = word(16)?;
        let end = room_for(root, manifest).and_then(|room| offset.checked_add(room));
        if end.is_none_or(|end| end > size) {
            return wrong("the size of a root", 8, root);
        }
        let digest = bytes_at(bytes, at + 32).ok_or_else(short)?;
        Ok(Self { offset, root, manifest, state, entered_at: long(24)?, digest })
    }

    fn write(&self, header: &mut [u8], number: usize) {
        let at = ENTRIES + number * ENTRY;
        put(header, at, &self.offset.to_le_bytes());
        put(header, at + 8, &self.root.to_le_bytes());
        put(header, at + 16, &self.manifest.to_le_bytes());
        put(header, at + 20, &self.state.bits().to_le_bytes());
        put(header, at + 24, &self.entered_at.to_le_bytes());
        put(header, at + 32, &self.digest);
    }
}

impl Header {
    /// Reads one copy; `available` is the partition's size now.
    ///
    /// # Errors
    /// When it is none, is torn, or says what cannot be.
    pub fn parse(bytes: &[u8], available: u64) -> Result<Self, HeaderError> {
        let bytes = bytes.get(..HEADER_SIZE).ok_or(HeaderError::Short(bytes.len()))?;
        let short = || HeaderError::Short(bytes.len());
        let long = |offset| u64_le(bytes, offset).ok_or_else(short);
        let word = |offset| u32_le(bytes, offset).ok_or_else(short);
        if !bytes.starts_with(MAGIC) {
            return Err(HeaderError::Signature);
        }
        let found = crc32fast::hash(bytes.get(..CHECKSUM).unwrap_or_default());
        let stored = word(CHECKSUM)?;
        if found != stored {
            return Err(HeaderError::Checksum { found, stored });
        }
        if word(8)? != VERSION {
            return Err(HeaderError::Version(word(8)?));
        }
        let wrong = |what, offset, value| Err(HeaderError::Value { what, offset, value });
        let count = word(12)? as usize;
        if count > MAX_GENERATIONS {
            return wrong("the number of generations", 12, count as u64);
        }
        let size = long(24)?;
        if size < HEAD || size > available {
            return wrong("the size of the partition", 24, size);
        }
        let guid = Guid { bytes: bytes_at(bytes, 32).ok_or_else(short)? };
        let generations: Result<Vec<_>, _> =
            (0..count).map(|number| Generation::parse(bytes, number, size)).collect();
        let header = Self { sequence: long(16)?, size, guid, generations: generations? };
        header.check_places()?;
        Ok(header)
    }

    fn check_places(&self) -> Result<(), HeaderError> {
        for (number, one) in self.generations.iter().enumerate() {
            for (earlier, other) in self.generations.iter().enumerate().take(number) {
                let (a, b) = (one.extent(), other.extent());
                if a.start < b.end && b.start < a.end || one.digest == other.digest {
                    return Err(HeaderError::Twice(earlier, number));
                }
            }
        }
        Ok(())
    }

    /// The bytes of a copy. More than [`MAX_GENERATIONS`] are not written.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_SIZE];
        let count = self.generations.len().min(MAX_GENERATIONS);
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        put(&mut bytes, 12, &(count as u32).to_le_bytes());
        put(&mut bytes, 16, &self.sequence.to_le_bytes());
        put(&mut bytes, 24, &self.size.to_le_bytes());
        put(&mut bytes, 32, &self.guid.bytes);
        for (number, generation) in self.generations.iter().take(count).enumerate() {
            generation.write(&mut bytes, number);
        }
        let checksum = crc32fast::hash(bytes.get(..CHECKSUM).unwrap_or_default());
        put(&mut bytes, CHECKSUM, &checksum.to_le_bytes());
        bytes
    }
}
