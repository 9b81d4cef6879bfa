//! Tar archives.

use std::collections::BTreeMap;
use std::io::Cursor;

use bootwright_formats::tar::{MemberKind, Metadata, Piece, Reader, Writer, Written};

/// Every member that is passed over lies within the archive, and so does each piece of a sparse one.
pub fn target(data: &[u8]) {
    let mut reader = Reader::new(Cursor::new(data));
    let inside = |offset: u64, size: u64| {
        assert!(offset.checked_add(size).is_some_and(|end| end <= data.len() as u64));
    };
    while let Ok(Some(member)) = reader.next_member() {
        if reader.pass_over().is_err() {
            return;
        }
        match member.kind {
            MemberKind::File { offset, size } => inside(offset, size),
            MemberKind::Sparse { size, pieces } => {
                for Piece { range, offset } in pieces {
                    assert!(range.end <= size);
                    inside(offset, range.end - range.start);
                }
            }
            _ => {}
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
