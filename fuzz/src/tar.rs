//! Tar archives.

use std::collections::BTreeMap;
use std::io::Cursor;

use bootwright_build::tar::{MemberKind, Reader, Writer, Written};
use bootwright_build::tree::Metadata;

/// Every member that is found lies within the archive.
pub fn target(data: &[u8]) {
    let Ok(mut reader) = Reader::new(Cursor::new(data)) else { return };
    while let Ok(Some(member)) = reader.next_member() {
        if let MemberKind::File { offset, size } = member.kind {
            assert!(offset.checked_add(size).is_some_and(|end| end <= data.len() as u64));
        }
    }
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let xattrs = BTreeMap::from([(b"user.a".to_vec(), b"1\n2".to_vec())]);
    let metadata = Metadata { mode: 0o755, uid: 3_000_000, mtime_nsec: 5, xattrs, ..Metadata::default() };
    let mut writer = Writer::new(Vec::new());
    let long = [b'n'; 150];
    let _ = writer.header(b"d/", &Metadata::default(), Written::Directory);
    let _ = writer.header(&long, &metadata, Written::File(5));
    let _ = writer.data(&mut &b"hello"[..], 5);
    let _ = writer.header(b"l", &Metadata::default(), Written::Symlink(&long));
    writer.finish().unwrap_or_default()
}
