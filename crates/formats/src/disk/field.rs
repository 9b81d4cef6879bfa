//! Numbers at fixed places of a header, with their byte order in the name.

/// Reading: `None` when the header ends before.
pub(super) trait Fields {
    /// `N` bytes from `at` on.
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]>;

    fn byte(&self, at: usize) -> Option<u8> {
        self.array(at).map(u8::from_le_bytes)
    }
    fn be16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }
    fn be32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }
    fn be64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_be_bytes)
    }
    fn le16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }
    fn le32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }
    fn le64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

impl Fields for [u8] {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        crate::fields::bytes_at(self, at)
    }
}

/// Reads at most `length` bytes from `offset` on: fewer where the file ends.
pub(super) fn read_up_to(bytes: &dyn crate::ReadAt, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let left = usize::try_from(bytes.size().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut buffer = vec![0; length.min(left)];
    bytes.read_exact_at(offset, &mut buffer)?;
    Ok(buffer)
}
