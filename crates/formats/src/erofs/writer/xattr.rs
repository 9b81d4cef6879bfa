//! Extended attributes: behind the inode, or, when several inodes have the same one, in a shared area.

use std::collections::HashMap;

use super::Error;
use crate::erofs::disk::XATTR_HEADER;

/// Name prefixes that have a number, longest first where one begins another.
const PREFIXES: &[(&[u8], u8)] = &[
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"user.", 1),
    (b"trusted.", 4),
    (b"security.", 6),
];
/// `h_shared_count` is a byte.
const MAX_SHARED: usize = 255;

/// `struct erofs_xattr_entry` with name and value, padded to four bytes.
type Encoded = Vec<u8>;

/// The attributes of all inodes.
#[derive(Debug, Default)]
pub(super) struct Xattrs {
    /// Every different attribute and how many inodes have it, in the order of their first use.
    known: Vec<(Encoded, usize)>,
    by_bytes: HashMap<Encoded, usize>,
    /// Where each shared one lies in the shared area.
    places: Vec<Option<u32>>,
}

impl Xattrs {
    /// Takes the attributes of an inode; what comes back stands for them.
    pub(super) fn add<'a>(
        &mut self,
        path: &[u8],
        attributes: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Vec<usize>, Error> {
        let mut ids = Vec::new();
        for (name, value) in attributes {
            let encoded = encode(name, value).ok_or_else(|| Error::Xattr {
                path: String::from_utf8_lossy(path).into_owned(),
                name: String::from_utf8_lossy(name).into_owned(),
                bytes: value.len(),
            })?;
            let next = self.known.len();
            let id = *self.by_bytes.entry(encoded).or_insert_with_key(|encoded| {
                self.known.push((encoded.clone(), 0));
                next
            });
            if let Some((_, count)) = self.known.get_mut(id) {
                *count += 1;
            }
            ids.push(id);
        }
        Ok(ids)
    }

    /// The most bytes that these attributes take behind their inode.
    pub(super) fn bound(&self, ids: &[usize]) -> usize {
        let sizes = ids.iter().filter_map(|id| self.known.get(*id)).map(|(encoded, _)| encoded.len());
        if ids.is_empty() { 0 } else { XATTR_HEADER + sizes.sum::<usize>() }
    }

    /// Decides what is shared, when all inodes are known: the shared area.
    pub(super) fn share(&mut self) -> Vec<u8> {
        let mut area = Vec::new();
        for (encoded, count) in &self.known {
            let shared = *count > 1;
            let place = shared.then_some((area.len() / 4) as u32);
            self.places.push(place);
            if shared {
                area.extend(encoded);
            }
        }
        area
    }

    /// `struct erofs_xattr_ibody_header` with what follows it; empty without attributes.
    pub(super) fn body(&self, ids: &[usize]) -> Vec<u8> {
        if ids.is_empty() {
            return Vec::new();
        }
        let (mut shared, mut inline) = (Vec::new(), Vec::<u8>::new());
        for id in ids {
            match self.places.get(*id).copied().flatten() {
                Some(place) if shared.len() < MAX_SHARED => shared.push(place),
                _ => inline.extend(self.known.get(*id).map(|(encoded, _)| encoded).into_iter().flatten()),
            }
        }
        let mut body = vec![0; XATTR_HEADER];
        body[4] = shared.len() as u8;
        shared.iter().for_each(|place| body.extend(place.to_le_bytes()));
        body.extend(inline);
        body
    }
}

/// `i_xattr_icount` of a body.
pub(super) fn icount(body: &[u8]) -> Option<u16> {
    match body.len().checked_sub(XATTR_HEADER) {
        None => Some(0),
        Some(rest) => u16::try_from(rest / 4 + 1).ok(),
    }
}

fn encode(name: &[u8], value: &[u8]) -> Option<Encoded> {
    let (prefix, index) = PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix))?;
    let name = name.get(prefix.len()..)?;
    if prefix.ends_with(b".") == name.is_empty() {
        return None;
    }
    let mut encoded = vec![u8::try_from(name.len()).ok()?, *index];
    encoded.extend(u16::try_from(value.len()).ok()?.to_le_bytes());
    encoded.extend(name);
    encoded.extend(value);
    encoded.resize(encoded.len().next_multiple_of(4), 0);
    Some(encoded)
}
