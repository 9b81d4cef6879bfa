//! U-Boot's legacy image (uImage).
//!
//! Specification: U-Boot, `include/image.h`. 64 bytes, big-endian, then the data:
//!
//! ```text
//! 0 magic 0x27051956   4 header CRC32   8 time   12 size   16 load   20 entry   24 data CRC32
//! 28 os u8   29 arch u8   30 type u8   31 compression u8   32 name[32]
//! ```
//!
//! A type of "multi" (4) has a table of u32 lengths in front of its parts, ended by 0.

use std::io;

use super::architecture;
use crate::bytes::{Bytes, read};
use crate::node::{Firmware, Node, Severity};
use crate::recognise::{Found, Inner, Look, Part};
use crate::source::{Source, each_piece};

const HEADER: u64 = 64;

/// The most parts of a "multi" image.
const MAX_PARTS: usize = 16;

const SYSTEMS: [&str; 6] = ["invalid", "openbsd", "netbsd", "freebsd", "4.4bsd", "linux"];
const ARCHITECTURES: [&str; 27] = [
    "invalid",
    "alpha",
    "arm",
    "x86",
    "ia64",
    "mips",
    "mips64",
    "ppc",
    "s390",
    "sh",
    "sparc",
    "sparc64",
    "m68k",
    "nios",
    "microblaze",
    "nios2",
    "blackfin",
    "avr32",
    "st200",
    "sandbox",
    "nds32",
    "or1k",
    "arm64",
    "arc",
    "x86_64",
    "xtensa",
    "riscv",
];
const TYPES: [&str; 9] =
    ["invalid", "standalone", "kernel", "ramdisk", "multi", "firmware", "script", "filesystem", "devicetree"];
const COMPRESSIONS: [&str; 7] = ["none", "gzip", "bzip2", "lzma", "lzo", "lz4", "zstd"];

pub(super) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    let head = read(source, 0, HEADER as usize)?;
    if !head.has(0, &0x2705_1956_u32.to_be_bytes()) {
        return Ok(None);
    }
    let word = |at: usize, words: &[&str]| {
        let number = head.u8(at).unwrap_or(0);
        words.get(usize::from(number)).map_or_else(|| format!("number {number}"), |&word| word.to_owned())
    };
    let kind = word(30, &TYPES);
    let mut node = Node::new("uimage", format!("U-Boot legacy image: {kind}"), source.size());
    let arch = word(29, &ARCHITECTURES);
    node.text("name", head.text(32, 32)).text("type", &kind).text("os", word(28, &SYSTEMS));
    node.text("architecture", architecture(&arch)).text("packed with", word(31, &COMPRESSIONS));
    node.text("loaded at", format!("{:#x}", head.be32(16).unwrap_or(0)));
    node.text("entered at", format!("{:#x}", head.be32(20).unwrap_or(0)));
    let size = u64::from(head.be32(12).unwrap_or(0));
    checksums(&mut node, source, &head, size, look)?;
    if kind == "kernel" || kind == "multi" {
        node.boots(Firmware::UBoot, Some(architecture(&arch)), "the file itself");
    }
    let parts = if kind == "multi" { multi(source)? } else { single(source, &kind, size) };
    Ok(Some(Found { node, inner: Inner::Parts(parts) }))
}

fn checksums(node: &mut Node, source: &Source, head: &Bytes, size: u64, look: &Look<'_>) -> io::Result<()> {
    let mut blank = head.0.clone();
    blank.iter_mut().skip(4).take(4).for_each(|byte| *byte = 0);
    if Some(crc32(&blank)) != head.be32(4) {
        node.problem(
            Severity::Error,
            4,
            "its header does not match its checksum",
            "build it again with mkimage",
        );
    }
    let end = HEADER + size;
    if end > source.size() {
        let what = format!("it is cut off: its data ends at {end}, the file at {}", source.size());
        node.problem(Severity::Error, 12, what, "copy it again, whole");
        return Ok(());
    }
    if look.deep {
        let mut crc = flate2::Crc::new();
        each_piece(source, HEADER..end, |bytes| crc.update(bytes))?;
        if Some(crc.sum()) != head.be32(24) {
            let what = "its data does not match its checksum";
            node.problem(Severity::Error, HEADER, what, "copy or build it again");
        }
    }
    Ok(())
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn single(source: &Source, kind: &str, size: u64) -> Vec<Part> {
    vec![Part::window(source, kind, HEADER, Node::new("image", kind, size))]
}

fn multi(source: &Source) -> io::Result<Vec<Part>> {
    let table = read(source, HEADER, (MAX_PARTS + 1) * 4)?;
    let sizes = (0..MAX_PARTS).map_while(|n| table.be32(n * 4)).take_while(|&size| size != 0);
    let sizes: Vec<u64> = sizes.map(u64::from).collect();
    let mut at = HEADER + (sizes.len() as u64 + 1) * 4;
    let mut parts = Vec::new();
    for (number, size) in sizes.into_iter().enumerate() {
        parts.push(Part::window(
            source,
            number.to_string(),
            at,
            Node::new("image", "part of the image", size),
        ));
        at = (at + size).next_multiple_of(4);
    }
    Ok(parts)
}
