//! The volume descriptors.

use std::{io, iter};

use super::{Entry, IsoError, Kind, read};
use crate::Shared;
use crate::fields::{bytes_at, u8_at, u32_le};
use crate::iso9660::{SECTOR, SYSTEM_AREA};

/// The most volume descriptors: real images have about six, UDF's included.
const MAX_DESCRIPTORS: u64 = 64;

/// What the volume descriptors say.
#[derive(Default)]
pub(super) struct Descriptors {
    pub primary: Option<Vec<u8>>,
    pub joliet: Option<Vec<u8>>,
    pub catalogue: Option<u32>,
    pub udf: bool,
}

impl Descriptors {
    /// Reads them to their end.
    pub(super) fn read(image: &Shared) -> Result<Self, IsoError> {
        let mut found = Self::default();
        for number in 0..MAX_DESCRIPTORS {
            let bytes = match read(image, SYSTEM_AREA + number * SECTOR, SECTOR as usize) {
                Err(IsoError::Read { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => break,
                other => other?,
            };
            let identifier: [u8; 5] = bytes_at(&bytes, 1).unwrap_or_default();
            match (&identifier, u8_at(&bytes, 0)) {
                (b"CD001", Some(0)) if bytes.get(7..30) == Some(b"EL TORITO SPECIFICATION") => {
                    found.catalogue = found.catalogue.or(u32_le(&bytes, 71));
                }
                (b"CD001", Some(1)) if found.primary.is_none() => found.primary = Some(bytes),
                (b"CD001", Some(2)) if is_joliet(&bytes) => found.joliet = Some(bytes),
                (b"NSR02" | b"NSR03", _) => found.udf = true,
                // UDF's descriptors follow behind the end of those of ISO 9660.
                (b"CD001" | b"BEA01" | b"TEA01" | b"BOOT2", _) => {}
                _ => break,
            }
        }
        Ok(found)
    }
}

/// The escape sequences of UCS-2 levels 1, 2 and 3.
fn is_joliet(descriptor: &[u8]) -> bool {
    matches!(bytes_at::<3>(descriptor, 88), Some([b'%', b'/', b'@' | b'C' | b'E']))
}

/// The root directory that a descriptor names.
pub(super) fn root(descriptor: &[u8]) -> Result<Entry, IsoError> {
    let read = || Some((u64::from(u32_le(descriptor, 158)?) * SECTOR, u64::from(u32_le(descriptor, 166)?)));
    let damaged =
        || IsoError::Damaged { problem: "a volume descriptor is cut off".to_owned(), offset: SYSTEM_AREA };
    let (start, length) = read().ok_or_else(damaged)?;
    Ok(Entry {
        name: "/".to_owned(),
        kind: Kind::Directory,
        extents: iter::once(start..start + length).collect(),
        mode: None,
    })
}
