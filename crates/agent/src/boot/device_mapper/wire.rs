//! The messages of `/dev/mapper/control` (linux/dm-ioctl.h), version 4.0.0: what every kernel that is in use
//! speaks. Integers are the machine's own.
//!
//! ```text
//! struct dm_ioctl, 312 bytes: goes in and comes back
//!   0 version, 3 × u32      16 data_start        28 flags       48 name, 128 with NUL
//!  12 data_size: of it all  20 target_count      32 event_nr   176 uuid, 129 with NUL
//!                           24 open_count        40 dev, u64   305 padding
//! struct dm_target_spec, 40 bytes, at data_start: DM_TABLE_LOAD alone
//!   0 sector_start, u64     16 status, i32       24 target_type, 16 with NUL
//!   8 length in sectors     20 next              40 parameters, NUL, up to a multiple of 8
//! ```
//!
//! Written: tables with one target. Read: the number of the device, and nothing else of the answer.

/// `sizeof(struct dm_ioctl)`.
pub(super) const HEAD: usize = 312;
/// `sizeof(struct dm_target_spec)`.
const TARGET: usize = 40;

const VERSION: [u32; 3] = [4, 0, 0];

const DATA_SIZE: usize = 12;
const DATA_START: usize = 16;
const TARGET_COUNT: usize = 20;
const FLAGS: usize = 28;
const DEV: usize = 40;
const NAME: usize = 48;
const UUID: usize = 176;
/// DM_NAME_LEN, with the NUL.
const NAME_SIZE: usize = 128;
/// DM_UUID_LEN, with the NUL.
const UUID_SIZE: usize = 129;
/// DM_MAX_TYPE_NAME, with the NUL.
const TYPE_SIZE: usize = 16;

/// The device cannot be written to.
pub(super) const READONLY: u32 = 1 << 0;
/// File systems on the device are not asked to come to rest: ours are read-only.
pub(super) const SKIP_LOCKFS: u32 = 1 << 10;

/// What is mapped to what: one target over the whole device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub(super) kind: &'static str,
    /// Units of 512 bytes.
    pub(super) sectors: u64,
    pub(super) parameters: String,
}

/// A message for `/dev/mapper/control`; its length is what its head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// About the device `name`. A name or `uuid` that is too long for its field is cut, never written past it.
    pub(super) fn about(name: &str, uuid: &str, flags: u32) -> Self {
        let mut message = Self(vec![0; HEAD]);
        for (at, number) in (0..).step_by(4).zip(VERSION) {
            message.put(at, &number.to_ne_bytes());
        }
        message.put(FLAGS, &flags.to_ne_bytes());
        message.text(NAME, NAME_SIZE, name);
        message.text(UUID, UUID_SIZE, uuid);
        message.sealed()
    }

    /// With a table behind it.
    pub(super) fn with(mut self, table: &Table) -> Self {
        let start = self.0.len();
        let length = (TARGET + table.parameters.len() + 1).next_multiple_of(8);
        self.0.resize(start + length, 0);
        self.put(DATA_START, &u32::try_from(start).unwrap_or(u32::MAX).to_ne_bytes());
        self.put(TARGET_COUNT, &1u32.to_ne_bytes());
        self.put(start + 8, &table.sectors.to_ne_bytes());
        self.put(start + 20, &u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
        self.text(start + 24, TYPE_SIZE, table.kind);
        self.text(start + TARGET, table.parameters.len() + 1, &table.parameters);
        self.sealed()
    }

    /// The bytes, which the kernel writes its answer over.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// `dev` of the answer: a device number as stat(2) has it.
    pub(super) fn device(&self) -> u64 {
        self.0.get(DEV..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    fn sealed(mut self) -> Self {
        let size = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.put(DATA_SIZE, &size.to_ne_bytes());
        self
    }

    /// `text` in a field of `size` bytes that ends with a NUL.
    fn text(&mut self, at: usize, size: usize, text: &str) {
        let bytes = text.as_bytes();
        self.put(at, bytes.get(..size - 1).unwrap_or(bytes));
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(field) = self.0.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8], at: usize) -> u32 {
        u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn a_head_has_the_size_and_places_that_the_kernel_expects() {
        let mut message = Message::about("root", "CRYPT-VERITY-00-root", READONLY | SKIP_LOCKFS);
        let bytes = message.bytes();
        assert_eq!(bytes.len(), 312);
        assert_eq!((number(bytes, 0), number(bytes, 4), number(bytes, 8)), (4, 0, 0));
        assert_eq!((number(bytes, 12), number(bytes, 28)), (312, 0x401));
        assert_eq!(&bytes[48..53], b"root\0");
        assert_eq!(&bytes[176..197], b"CRYPT-VERITY-00-root\0");
    }

    #[test]
    fn a_table_follows_its_head_and_is_a_multiple_of_eight() {
        let table = Table { kind: "linear", sectors: 8, parameters: "43:0 0".into() };
        let mut message = Message::about("root", "", 0).with(&table);
        let bytes = message.bytes();
        assert_eq!((bytes.len(), number(bytes, 12)), (312 + 48, 312 + 48));
        assert_eq!((number(bytes, 16), number(bytes, 20)), (312, 1));
        let target = &bytes[312..];
        assert_eq!(u64::from_ne_bytes(target[0..8].try_into().unwrap()), 0);
        assert_eq!(u64::from_ne_bytes(target[8..16].try_into().unwrap()), 8);
        assert_eq!(number(target, 20), 48);
        assert_eq!(&target[24..31], b"linear\0");
        assert_eq!(&target[40..48], b"43:0 0\0\0");
    }

    #[test]
    fn a_name_that_is_too_long_ends_before_the_next_field() {
        let mut message = Message::about(&"n".repeat(500), &"u".repeat(500), 0);
        let bytes = message.bytes();
        assert_eq!((bytes[48 + 126], bytes[48 + 127], bytes[176]), (b'n', 0, b'u'));
        assert_eq!((bytes[176 + 127], bytes[176 + 128]), (b'u', 0));
    }
}
