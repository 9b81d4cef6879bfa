//! EFI zboot: a compressed kernel that unpacks itself under EFI.
//!
//! Specification: Linux, `drivers/firmware/efi/libstub/zboot-header.S`. Little-endian:
//!
//! ```text
//! 0 "MZ"   4 "zimg"   8 payload offset   12 payload size   24 compression, a text   56 Linux' PE magic
//! ```

use crate::bytes::Bytes;
use crate::node::{Node, Severity};
use crate::recognise::Part;
use crate::source::Source;

pub(super) fn describe(source: &Source, head: &Bytes) -> Node {
    let mut node = Node::new("zboot", "compressed Linux kernel for EFI (zboot)", source.size());
    node.text("packed with", head.text(24, 32));
    let (offset, size) = (head.le32(8).unwrap_or(0), head.le32(12).unwrap_or(0));
    node.bytes("payload", size);
    let end = u64::from(offset) + u64::from(size);
    if end > source.size() {
        let what = format!("it is cut off: its payload ends at {end}, the file at {}", source.size());
        node.problem(Severity::Error, 8, what, "copy it again, whole");
    }
    node.needs("a boot loader that starts EFI programs: others cannot unpack it");
    node
}

/// The compressed kernel as a part, `payload`; `None` in what is no zboot.
pub(super) fn payload(source: &Source, head: &Bytes) -> Option<Part> {
    if !head.has(0, b"MZ") || !head.has(4, b"zimg") {
        return None;
    }
    let node = Node::new("section", "compressed kernel", head.le32(12)?.into());
    Some(Part::window(source, "payload", head.le32(8)?.into(), node))
}
