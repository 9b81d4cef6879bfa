//! The `Image` of arm64 and RISC-V.
//!
//! Specifications: Linux, `Documentation/arch/arm64/booting.rst` and `arch/riscv/boot-image-header.rst`.
//! Little-endian:
//!
//! ```text
//! 8 text_offset u64   16 image_size u64   24 flags u64
//! arm64   56 "ARM\x64"                    flags: bit 0 big-endian, bits 1-2 page size
//! RISC-V  48 "RISCV\0\0\0"   56 "RSC\x05"  32 version u32; flags: bit 0 big-endian
//! ```
//!
//! The release is not in the header: it is looked for in the kernel's banner when all is read.

use crate::bytes::Bytes;
use crate::node::{Firmware, Node, Severity};
use crate::source::Source;

pub(super) fn describe(source: &Source, head: &Bytes) -> Option<Node> {
    let (architecture, words) = if head.has(56, b"ARM\x64") {
        ("aarch64", "Linux kernel for aarch64 (Image)")
    } else if head.has(48, b"RISCV\0\0\0") && head.has(56, b"RSC\x05") {
        ("riscv64", "Linux kernel for riscv64 (Image)")
    } else {
        return None;
    };
    let mut node = Node::new("image", words, source.size());
    node.text("architecture", architecture);
    let flags = head.le64(24)?;
    node.text("byte order", if flags & 1 == 0 { "little-endian" } else { "big-endian" });
    if architecture == "aarch64" {
        let pages = match flags >> 1 & 3 {
            1 => "4 KiB",
            2 => "16 KiB",
            3 => "64 KiB",
            _ => "",
        };
        node.text("page size", pages);
    }
    let image_size = head.le64(16)?;
    node.bytes("size in memory", image_size);
    if image_size != 0 && image_size < source.size() / 2 {
        let what = format!("image_size is {image_size} bytes, the file has {}", source.size());
        node.problem(Severity::Warning, 16, what, "take the kernel as it was built");
    }
    node.boots(Firmware::Loader, Some(architecture), "the kernel");
    Some(node)
}
