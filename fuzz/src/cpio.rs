//! cpio archives.

use std::io;

use bootwright_formats::cpio::{Attributes, Node, Reader, Writer};

/// However many members are read, they and their data lie within the input.
pub fn target(data: &[u8]) {
    let mut reader = Reader::new(data);
    loop {
        while let Ok(Some(mut entry)) = reader.next_entry() {
            assert!(entry.data_offset() <= data.len() as u64);
            let _ = entry.metadata().kind();
            let _ = io::copy(&mut entry, &mut io::sink());
        }
        if !matches!(reader.next_archive(), Ok(true)) || !reader.ended() {
            break;
        }
    }
    assert!(reader.position() <= data.len() as u64);
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), 1);
    let _ = writer.node("dev", Node::Directory, Attributes::EXECUTABLE);
    let _ = writer.node("dev/console", Node::CharacterDevice(5, 1), Attributes::root(0o600));
    let _ = writer.file("init", Attributes::EXECUTABLE, 5, &b"hello"[..]);
    writer.finish().unwrap_or_default()
}
