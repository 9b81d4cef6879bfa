//! What lies on a disk, in a partition or in a file, told by a few bytes.

use std::io;

use bootwright_formats::ReadAt;

/// What is told by a few bytes: where they are, the bytes, and whose they are.
const SIGNATURES: &[(u64, &[u8], &str)] = &[
    (0x438, &[0x53, 0xef], "ext2, ext3 or ext4"),
    (0, b"XFSB", "XFS"),
    (0x1_0040, b"_BHRfS_M", "btrfs"),
    (0x1018, &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca], "bcachefs or bcache"),
    (0x400, &[0x10, 0x20, 0xf5, 0xf2], "F2FS"),
    (0x400, &[0xe2, 0xe1, 0xf5, 0xe0], "EROFS"),
    (0, b"hsqs", "squashfs"),
    (0, b"QFI\xfb", "qcow2"),
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

#[cfg(test)]
mod tests {
    use super::*;

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
        }
    }

    #[test]
    fn nothing_is_told_of_zeros() {
        assert_eq!(signature(&vec![0_u8; 1 << 20]).unwrap(), None);
        assert_eq!(signature(&Vec::new()).unwrap(), None);
    }
}
