//! Numbers at an offset of a byte slice: `None` where the slice ends too early.

/// `N` bytes at `offset`.
pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

pub(crate) fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

pub(crate) fn u16_le(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes_at(bytes, offset).map(u16::from_le_bytes)
}

pub(crate) fn u32_le(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes_at(bytes, offset).map(u32::from_le_bytes)
}

pub(crate) fn u64_le(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes_at(bytes, offset).map(u64::from_le_bytes)
}

/// Puts `value` at `offset` of a sector that the caller made large enough.
pub(crate) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    let room = bytes.get_mut(offset..).unwrap_or_default();
    debug_assert!(room.len() >= value.len(), "no room for {} bytes at {offset}", value.len());
    room.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
}
