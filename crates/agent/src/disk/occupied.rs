//! Whether a disk or partition holds something of somebody: nothing of that is ever written over.

use std::io;

use bootwright_formats::ReadAt;

/// Bytes at either end of a blank disk that have to be zeros: all that tables, file systems, volume managers and RAIDs
/// are told by lies there.
const ENDS: u64 = 4 << 20;

/// What is told by a few bytes: where they are, the bytes, and whose they are.
const SIGNATURES: &[(u64, &[u8], &str)] = &[
    (0x438, &[0x53, 0xef], "ext2, ext3 or ext4"),
    (0, b"XFSB", "XFS"),
    (0x1_0040, b"_BHRfS_M", "btrfs"),
    (0x1018, &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca], "bcachefs or bcache"),
    (0x400, &[0x10, 0x20, 0xf5, 0xf2], "F2FS"),
    (0x400, &[0xe2, 0xe1, 0xf5, 0xe0], "EROFS"),
    (0, b"hsqs", "squashfs"),
    (0, b"LUKS\xba\xbe", "LUKS"),
    (0, b"verity\0\0", "dm-verity"),
    (0x200, b"LABELONE", "LVM"),
    (0, b"LABELONE", "LVM"),
    (0x1000, &[0xfc, 0x4e, 0x2b, 0xa9], "Linux RAID"),
    (0, &[0xfc, 0x4e, 0x2b, 0xa9], "Linux RAID"),
    (0xff6, b"SWAPSPACE2", "swap"),
    (3, b"NTFS    ", "NTFS"),
    (3, b"EXFAT   ", "exFAT"),
    (0x36, b"FAT", "FAT"),
    (0x52, b"FAT32", "FAT"),
    (0x8001, b"CD001", "ISO 9660"),
    (0x200, b"EFI PART", "a GPT"),
    (0x1fe, &[0x55, 0xaa], "a boot sector or an MBR"),
    (0x2_0000, &[0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0], "ZFS"),
    (0x2_03f8, &[0x0c, 0xb1, 0xba, 0], "ZFS"),
];

/// What lies on `device`, when it is told by its first bytes.
///
/// # Errors
/// What the disk says.
pub fn signature(device: &dyn ReadAt) -> io::Result<Option<&'static str>> {
    for (offset, expected, name) in SIGNATURES {
        let mut found = vec![0; expected.len()];
        if offset + expected.len() as u64 <= device.size() {
            device.read_exact_at(*offset, &mut found)?;
            if found == *expected {
                return Ok(Some(name));
            }
        }
    }
    Ok(None)
}

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
    fn what_mkfs_leaves_is_told() {
        for (program, package, expected) in [
            (&["mke2fs", "-q", "-F"][..], "e2fsprogs", "ext2, ext3 or ext4"),
            (&["mkswap"], "util-linux", "swap"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("disk");
            std::fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
            let output = std::process::Command::new(program[0]).args(&program[1..]).arg(&path).output();
            let output = output.unwrap_or_else(|error| panic!("{}: {error}: package {package}", program[0]));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(signature(&bytes).unwrap(), Some(expected));
            assert!(first_byte(&bytes).unwrap().is_some());
        }
    }

    #[test]
    fn a_blank_disk_has_nothing_at_either_end() {
        let mut disk = Mosaic::new(64 << 20);
        assert_eq!((signature(&disk).unwrap(), first_byte(&disk).unwrap()), (None, None));
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
