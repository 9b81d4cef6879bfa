//! The reasons worked out of an initrd: indexes of modules, modules, programs.

use bootwright_build::initrd::explain::explain;
use bootwright_formats::cpio::{Attributes, Node, Writer};

/// What its files take never exceeds what the initrd has.
pub fn target(data: &[u8]) {
    if let Ok(listing) = explain(data) {
        let packed: u64 = listing.files.iter().map(|file| file.packed).sum();
        assert!(packed <= data.len() as u64);
    }
}

/// A valid input: what the reasons are worked out from, uncompressed so that mutations reach it.
pub fn seed() -> Vec<u8> {
    let elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0";
    let files: [(&str, &[u8]); 6] = [
        ("lib/modules/6.1/modules.dep", b"kernel/a.ko: kernel/b-c.ko\nkernel/b-c.ko:\n"),
        ("lib/modules/6.1/modules.softdep", b"softdep a pre: b-c post: d\n"),
        ("lib/modules/6.1/kernel/a.ko", elf),
        ("lib/firmware/x.bin.xz", b"firmware"),
        ("bin/tool", elf),
        ("kernel/x86/microcode/GenuineIntel.bin", b"microcode"),
    ];
    let mut writer = Writer::new(Vec::new(), 0);
    let written = files
        .iter()
        .try_for_each(|(path, content)| writer.file(path, Attributes::PLAIN, content.len() as u64, *content));
    let linked = writer.node("lib/libx.so.1", Node::Symlink(b"libx.so.1.2"), Attributes::EXECUTABLE);
    written.and(linked).and_then(|()| writer.finish()).unwrap_or_default()
}
