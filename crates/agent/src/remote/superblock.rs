//! Which file system a block device holds, and how it is called.
//!
//! | file system | magic | UUID | label |
//! |---|---|---|---|
//! | ext2, 3, 4 | `53 ef` at 1080 | 1128 | 1144, 16 bytes |
//! | XFS | `XFSB` at 0 | 32 | 108, 12 |
//! | EROFS | `e2 e1 f5 e0` at 1024 | 1072 | 1088, 16 |
//! | btrfs | `_BHRfS_M` at 65600 | 65568 | 65835, 256 |
//! | squashfs | `hsqs` at 0 | – | – |

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Bytes that have to be read: the superblock of btrfs is at 64 KiB.
const HEAD: u64 = 68 << 10;

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// The name of its driver.
    pub kind: &'static str,
    /// `3e6be9de-8139-11d1-9106-a43f08d823a6`.
    pub uuid: Option<String>,
    /// Its label, where it has one.
    pub label: Option<String>,
}

struct Rule {
    kind: &'static str,
    magic: (usize, &'static [u8]),
    uuid: Option<usize>,
    label: Option<(usize, usize)>,
}

const RULES: [Rule; 5] = [
    Rule { kind: "ext4", magic: (1080, &[0x53, 0xef]), uuid: Some(1128), label: Some((1144, 16)) },
    Rule { kind: "xfs", magic: (0, b"XFSB"), uuid: Some(32), label: Some((108, 12)) },
    Rule {
        kind: "erofs",
        magic: (1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
        uuid: Some(1072),
        label: Some((1088, 16)),
    },
    Rule { kind: "btrfs", magic: (65_600, b"_BHRfS_M"), uuid: Some(65_568), label: Some((65_835, 256)) },
    Rule { kind: "squashfs", magic: (0, b"hsqs"), uuid: None, label: None },
];

/// Of the device or file at `path`; `None` when it is none of these.
pub fn read(path: &Path) -> Option<Superblock> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    parse(&head)
}

fn parse(head: &[u8]) -> Option<Superblock> {
    let is = |rule: &&Rule| head.get(rule.magic.0..).is_some_and(|bytes| bytes.starts_with(rule.magic.1));
    let rule = RULES.iter().find(is)?;
    let uuid = rule.uuid.and_then(|at| head.get(at..)?.first_chunk::<16>().map(uuid));
    let label = rule.label.and_then(|(at, length)| {
        let bytes = head.get(at..at + length)?.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(bytes).ok().filter(|label| !label.is_empty()).map(str::to_owned)
    });
    Some(Superblock { kind: rule.kind, uuid, label })
}

fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "5b3ac5a8-7bd3-4f5c-9a57-8b0b9c7e0001";

    #[test]
    fn what_mke2fs_makes_is_known_by_its_uuid_and_label() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4 << 20).unwrap();
        let status = Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-L", "root", "-U", UUID])
            .arg(file.path())
            .status();
        assert!(status.expect("mke2fs (package e2fsprogs)").success());
        let found = read(file.path()).unwrap();
        assert_eq!(
            (found.kind, found.uuid.as_deref(), found.label.as_deref()),
            ("ext4", Some(UUID), Some("root"))
        );
    }

    #[test]
    fn what_mkfs_erofs_makes_is_known_by_its_uuid() {
        let (file, empty) = (tempfile::NamedTempFile::new().unwrap(), tempfile::tempdir().unwrap());
        let status = Command::new("mkfs.erofs")
            .args(["--quiet", "-U", UUID])
            .arg(file.path())
            .arg(empty.path())
            .status();
        assert!(status.expect("mkfs.erofs (package erofs-utils)").success());
        let found = read(file.path()).unwrap();
        assert_eq!((found.kind, found.uuid.as_deref()), ("erofs", Some(UUID)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(mut head in proptest::collection::vec(any::<u8>(), 0..2000), rule in 0..5_usize) {
            let (at, magic) = RULES[rule].magic;
            if let Some(place) = head.get_mut(at..at + magic.len()) {
                place.copy_from_slice(magic);
            }
            let _ = parse(&head);
        }
    }
}
