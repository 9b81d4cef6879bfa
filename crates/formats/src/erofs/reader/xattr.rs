//! Extended attributes: behind the inode, and in an area that all inodes share.
//!
//! ```text
//! header   name filter u32, shared count u8, 7 reserved │ shared: u32 each │ entries
//! entry    name length u8, prefix u8, value length u16 │ name │ value, padded to 4 bytes
//! prefix   from bit 7 on: a long one, of which the image has a list: length u16, prefix u8, what follows it
//! ```

use super::error::{Error, Result, damaged};
use super::superblock::Prefixes;
use super::{Inode, Volume};
use crate::erofs::disk::XATTR_HEADER;
use crate::fields::{u8_at, u16_le, u32_le};

/// `EROFS_XATTR_LONG_PREFIX`.
const LONG: u8 = 0x80;
/// Bytes of an entry before its name.
const ENTRY: usize = 4;

type Attribute = (Vec<u8>, Vec<u8>);

pub(super) fn read(volume: &Volume, inode: &Inode) -> Result<Vec<Attribute>> {
    if inode.xattr_size == 0 {
        return Ok(Vec::new());
    }
    let body = volume.bytes(inode.xattrs, inode.xattr_size)?;
    let cut = || damaged(format!("the attributes of inode {} are cut off", inode.nid), inode.xattrs);
    let shared = usize::from(u8_at(&body, 4).ok_or_else(cut)?);
    let mut attributes = Vec::new();
    for number in 0..shared {
        let id = u32_le(&body, XATTR_HEADER + 4 * number).ok_or_else(cut)?;
        let area = u64::from(volume.superblock.xattr_block) << volume.superblock.block_bits;
        let offset = area + u64::from(id) * 4;
        let head = volume.bytes(offset, ENTRY)?;
        let lengths = u8_at(&head, 0).zip(u16_le(&head, 2));
        let length = lengths.map_or(0, |(name, value)| usize::from(name) + usize::from(value));
        let (attribute, _) = parse(volume, &volume.bytes(offset, ENTRY + length)?, offset)?;
        attributes.push(attribute);
    }
    let mut at = XATTR_HEADER + 4 * shared;
    while let Some(entry) = body.get(at..).filter(|rest| rest.len() >= ENTRY) {
        // Room that mkfs.erofs leaves (--root-xattr-isize).
        if entry.starts_with(&[0; ENTRY]) {
            break;
        }
        let (attribute, length) = parse(volume, entry, inode.xattrs + at as u64)?;
        attributes.push(attribute);
        at += length;
    }
    Ok(attributes)
}

/// An entry and how many bytes it takes.
fn parse(volume: &Volume, bytes: &[u8], offset: u64) -> Result<(Attribute, usize)> {
    let fields = || {
        let name = usize::from(u8_at(bytes, 0)?);
        let value = usize::from(u16_le(bytes, 2)?);
        let value_at = ENTRY + name;
        Some((u8_at(bytes, 1)?, bytes.get(ENTRY..value_at)?, bytes.get(value_at..value_at + value)?))
    };
    let (index, name, value) = fields().ok_or_else(|| damaged("an extended attribute is cut off", offset))?;
    let mut full = match index & LONG {
        0 => prefix(index).map(<[u8]>::to_vec),
        _ => volume.prefixes()?.get(usize::from(index & !LONG)).cloned(),
    }
    .ok_or_else(|| Error::Unsupported {
        what: format!("the prefix {index} of an attribute's name"),
        offset,
    })?;
    full.extend(name);
    let length = (ENTRY + name.len() + value.len()).next_multiple_of(4);
    Ok(((full, value.to_vec()), length))
}

/// `EROFS_XATTR_INDEX_…`.
fn prefix(index: u8) -> Option<&'static [u8]> {
    Some(match index {
        0 => b"",
        1 => b"user.",
        2 => b"system.posix_acl_access",
        3 => b"system.posix_acl_default",
        4 => b"trusted.",
        6 => b"security.",
        _ => return None,
    })
}

impl Volume {
    /// The long prefixes, read when the first attribute has one.
    fn prefixes(&self) -> Result<&[Vec<u8>]> {
        if let Some(prefixes) = self.prefixes.get() {
            return Ok(prefixes);
        }
        let prefixes = self.superblock.prefixes.map_or(Ok(Vec::new()), |place| self.read_prefixes(place))?;
        Ok(self.prefixes.get_or_init(|| prefixes))
    }

    fn read_prefixes(&self, place: Prefixes) -> Result<Vec<Vec<u8>>> {
        let get = |offset: u64, length: usize| {
            if !place.packed {
                return self.bytes(offset, length);
            }
            let mut bytes = vec![0; length];
            self.packed()?.fill(self, offset, &mut bytes)?;
            Ok(bytes)
        };
        let mut at = place.start;
        let mut prefixes = Vec::new();
        for _ in 0..place.count {
            let length = usize::from(u16_le(&get(at, 2)?, 0).unwrap_or(0));
            let bytes = get(at + 2, length)?;
            let (base, infix) =
                bytes.split_first().ok_or_else(|| damaged("an empty prefix of attribute names", at))?;
            let base = prefix(*base).ok_or_else(|| damaged("a prefix of attribute names is unknown", at))?;
            prefixes.push([base, infix].concat());
            at = (at + 2 + length as u64).next_multiple_of(4);
        }
        Ok(prefixes)
    }
}
