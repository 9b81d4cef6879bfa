//! Whether a disk or partition is blank: what holds something of somebody is never written over.

use std::io;

use bootwright_formats::ReadAt;

/// Bytes at either end of a blank disk that have to be zeros: all that tables, file systems, volume managers and RAIDs
/// are told by lies there.
const ENDS: u64 = 4 << 20;

/// The first byte of `device` near one of its ends that is not zero; `None` when it is blank.
///
/// # Errors
/// What the disk says.
pub fn first_byte(device: &dyn ReadAt) -> io::Result<Option<u64>> {
    let size = device.size();
    let tail = size.saturating_sub(ENDS).max(ENDS.min(size));
    let mut buffer = vec![0; 64 << 10];
    for range in [0..ENDS.min(size), tail..size] {
        let mut at = range.start;
        while at < range.end {
            let now = usize::try_from(range.end - at).unwrap_or(buffer.len()).min(buffer.len());
            let piece = buffer.get_mut(..now).unwrap_or_default();
            device.read_exact_at(at, piece)?;
            if let Some(inside) = piece.iter().position(|byte| *byte != 0) {
                return Ok(Some(at + inside as u64));
            }
            at += now as u64;
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_formats::Mosaic;

    #[test]
    fn a_blank_disk_has_nothing_at_either_end() {
        let mut disk = Mosaic::new(64 << 20);
        assert_eq!(first_byte(&disk).unwrap(), None);
        disk.bytes(32 << 20, vec![1]);
        assert_eq!(first_byte(&disk).unwrap(), None);
        disk.bytes((64 << 20) - 1, vec![1]);
        assert_eq!(first_byte(&disk).unwrap(), Some((64 << 20) - 1));
        disk.bytes(4096, vec![1]);
        assert_eq!(first_byte(&disk).unwrap(), Some(4096));
        assert_eq!(first_byte(&vec![0_u8; 100]).unwrap(), None);
        assert_eq!(first_byte(&vec![0_u8; 6 << 20]).unwrap(), None);
    }
}
