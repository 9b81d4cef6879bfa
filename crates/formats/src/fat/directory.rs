//! Directories: rows of 32-byte entries, written and read.

use super::attributes::{DIRECTORY, LABEL, LONG_NAME};
use super::date::Stamp;
use super::names::{PART, Short, checksum, read_short};
use crate::fields::{bytes_at, put, u8_at, u16_le, u32_le};

pub(super) const ENTRY: usize = 32;

/// Places of the thirteen units in an entry of a long name.
const UNITS: [usize; PART] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// Marks the first entry on the disk of a long name, which holds its end.
const LAST: u8 = 0x40;

/// A file or directory as its directory tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: the long one, else the short one.
    pub name: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Bytes; 0 for a directory.
    pub size: u32,
    /// Where its clusters begin; 0 when it has none.
    pub first_cluster: u32,
}

/// The entries of one file: those of its long name, when it needs one, and its own.
pub(super) fn write(
    name: Option<&str>,
    short: &Short,
    attributes: u8,
    stamp: Stamp,
    (cluster, size): (u32, u32),
) -> Vec<u8> {
    let mut bytes = name.map(|name| long_name(name, short)).unwrap_or_default();
    let mut entry = [0; ENTRY];
    put(&mut entry, 0, short);
    put(&mut entry, 11, &[attributes]);
    for offset in [14, 22] {
        put(&mut entry, offset, &stamp.time.to_le_bytes());
    }
    for offset in [16, 18, 24] {
        put(&mut entry, offset, &stamp.date.to_le_bytes());
    }
    put(&mut entry, 20, &((cluster >> 16) as u16).to_le_bytes());
    put(&mut entry, 26, &(cluster as u16).to_le_bytes());
    put(&mut entry, 28, &size.to_le_bytes());
    bytes.extend(entry);
    bytes
}

fn long_name(name: &str, short: &Short) -> Vec<u8> {
    let mut units: Vec<u16> = name.encode_utf16().collect();
    // One NUL ends it, ones fill it, unless it fills its entries exactly.
    if !units.len().is_multiple_of(PART) {
        units.push(0);
        units.resize(units.len().next_multiple_of(PART), 0xffff);
    }
    let count = units.len() / PART;
    let mut bytes = Vec::with_capacity(count * ENTRY);
    for (index, part) in units.chunks(PART).enumerate().rev() {
        let last = if index + 1 == count { LAST } else { 0 };
        let mut entry = [0; ENTRY];
        put(&mut entry, 0, &[last | (index as u8 + 1)]);
        put(&mut entry, 11, &[LONG_NAME, 0, checksum(short)]);
        for (place, unit) in UNITS.into_iter().zip(part) {
            put(&mut entry, place, &unit.to_le_bytes());
        }
        bytes.extend(entry);
    }
    bytes
}

/// What a directory holds: its label, when it is the root and has one, and its entries without `.` and `..`.
pub(super) fn read(bytes: &[u8]) -> (Option<String>, Vec<Entry>) {
    let (mut label, mut entries) = (None, Vec::new());
    let mut long = LongName::default();
    for raw in bytes.chunks_exact(ENTRY) {
        let (Some(first), Some(attributes)) = (u8_at(raw, 0), u8_at(raw, 11)) else { break };
        match first {
            0 => break,
            0xe5 => long = LongName::default(),
            _ if attributes & 0x3f == LONG_NAME => long.part(raw),
            _ => {
                let named = std::mem::take(&mut long);
                let Some(short) = bytes_at::<11>(raw, 0) else { break };
                if attributes & LABEL != 0 {
                    label = Some(
                        short.iter().map(|byte| char::from(*byte)).collect::<String>().trim_end().to_owned(),
                    );
                } else if first != b'.' {
                    entries.extend(entry(raw, &short, attributes, &named));
                }
            }
        }
    }
    (label, entries)
}

fn entry(raw: &[u8], short: &Short, attributes: u8, long: &LongName) -> Option<Entry> {
    let is_directory = attributes & DIRECTORY != 0;
    let name = long.name(short).unwrap_or_else(|| read_short(short, u8_at(raw, 12).unwrap_or(0)));
    let cluster = u32::from(u16_le(raw, 20)?) << 16 | u32::from(u16_le(raw, 26)?);
    let size = if is_directory { 0 } else { u32_le(raw, 28)? };
    Some(Entry { name, is_directory, size, first_cluster: cluster })
}

/// A long name as far as its entries have come by.
#[derive(Default)]
struct LongName {
    /// The number that the next part must have, 0 when none is missing.
    missing: u8,
    checksum: u8,
    units: Vec<u16>,
}

impl LongName {
    fn part(&mut self, raw: &[u8]) {
        let (Some(order), Some(checksum)) = (u8_at(raw, 0), u8_at(raw, 13)) else { return };
        let number = order & 0x1f;
        if order & LAST != 0 {
            *self = Self { missing: number, checksum, units: Vec::new() };
        }
        if number == 0 || number != self.missing || checksum != self.checksum {
            // Parts of another name, or out of order: the short name counts.
            *self = Self { missing: u8::MAX, ..Self::default() };
            return;
        }
        let mut units: Vec<u16> = UNITS.into_iter().filter_map(|place| u16_le(raw, place)).collect();
        units.append(&mut self.units);
        self.units = units;
        self.missing = number - 1;
    }

    /// The name, when it is whole and belongs to `short`.
    fn name(&self, short: &Short) -> Option<String> {
        if self.units.is_empty() || self.missing != 0 || self.checksum != checksum(short) {
            return None;
        }
        let units: Vec<u16> = self.units.iter().copied().take_while(|unit| *unit != 0).collect();
        Some(String::from_utf16_lossy(&units)).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { date: 33, time: 0 };

    #[test]
    fn long_names_of_every_length_are_read_back() {
        for length in [1, 12, 13, 14, 26, 255] {
            let name = "ä".repeat(length);
            let bytes = write(Some(&name), b"A~1        ", 0x20, STAMP, (70000, 9));
            let (_, entries) = read(&bytes);
            let expected = Entry { name, is_directory: false, size: 9, first_cluster: 70000 };
            assert_eq!(entries, [expected]);
        }
    }

    #[test]
    fn a_long_name_that_lost_a_part_is_not_used() {
        let mut bytes = write(Some("a name of three parts, no fewer"), b"ANAMEO~1   ", 0x20, STAMP, (2, 9));
        bytes.drain(ENTRY..2 * ENTRY);
        assert_eq!(read(&bytes).1[0].name, "ANAMEO~1");
    }
}
