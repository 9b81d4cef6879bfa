//! bzImage. Specification: Linux, `Documentation/arch/x86/boot.rst`; see [`bootwright_formats::linux`].
//!
//! ```text
//! 0x1f1 setup_sects u8   0x211 loadflags   0x236 xloadflags u16   0x248 payload_offset   0x24c payload_length
//! ```
//!
//! The payload lies behind the setup sectors, from the start of the protected mode code on.

use std::io;
use std::sync::Arc;

use bootwright_formats::{Window, linux};

use super::unpackers;
use crate::bytes::{Bytes, read};
use crate::node::{Firmware, Node, Severity};
use crate::recognise::Look;
use crate::source::Source;

/// The longest version text, as `linux::Kernel` reads it.
const VERSION: usize = 512;

/// `XLF_EFI_HANDOVER_32` and `_64`: the old way for a boot loader to enter the EFI stub.
const XLF_EFI_HANDOVER: u16 = 0xc;

pub(super) fn describe(source: &Source, head: &Bytes, look: &Look<'_>) -> io::Result<Node> {
    let mut node = Node::new("bzimage", "Linux kernel for x86 (bzImage)", source.size());
    let bits_64 = head.le16(0x236).unwrap_or(0) & linux::Kernel::XLF_KERNEL_64 != 0;
    let architecture = if bits_64 { "x86_64" } else { "i386" };
    node.text("architecture", architecture);
    match kernel(source, head)? {
        Ok(kernel) => {
            // iPXE, memtest and others take this form, too; Linux' version text has its build number.
            node.what = match kernel.version.contains('#') {
                true => format!("Linux {} for {architecture} (bzImage)", kernel.release()),
                false => format!("program that boots as Linux does (bzImage), {}", kernel.release()),
            };
            node.text("release", kernel.release()).text("version", &kernel.version);
            node.text("boot protocol", format!("{}.{:02}", kernel.protocol >> 8, kernel.protocol & 0xff));
            if let Some(longest) = kernel.command_line_max {
                node.bytes("longest command line", longest);
            }
            node.flag("EFI handover", kernel.load_flags & XLF_EFI_HANDOVER != 0);
        }
        Err(error) => {
            node.problem(Severity::Warning, 0x20e, error.to_string(), "take the kernel as it was built");
        }
    }
    node.boots(Firmware::Loader, Some(architecture), "the kernel");
    if let Some(payload) = payload(source, head, &mut node) {
        let magic = read(&payload, 0, 8)?;
        node.text("packed with", bootwright_formats::compression::Compression::detect(&magic.0).name());
        if look.deep {
            unpacks(&mut node, &payload);
        }
    }
    Ok(node)
}

/// The head with the text that it points at, without reading what lies between.
fn kernel(source: &Source, head: &Bytes) -> io::Result<Result<linux::Kernel, linux::Error>> {
    let offset = 0x200 + usize::from(head.le16(0x20e).unwrap_or(0));
    let mut bytes = head.0.clone();
    if offset >= bytes.len() {
        bytes.resize(offset, 0);
        bytes.extend(read(source, offset as u64, VERSION)?.0);
    } else {
        bytes = read(source, 0, offset + VERSION)?.0;
    }
    Ok(linux::Kernel::parse(&bytes))
}

/// The compressed `vmlinux`.
fn payload(source: &Source, head: &Bytes, node: &mut Node) -> Option<Source> {
    // Zero means four, for kernels from before the field.
    let setup = match head.u8(0x1f1)? {
        0 => 4,
        sectors => u64::from(sectors),
    };
    let start = (setup + 1) * 512 + u64::from(head.le32(0x248)?);
    let length = u64::from(head.le32(0x24c)?);
    if length == 0 || head.le16(0x206)? < 0x208 {
        return None;
    }
    if start + length > source.size() {
        let what =
            format!("it is cut off: its payload ends at {}, the file at {}", start + length, source.size());
        node.problem(Severity::Error, 0x248, what, "copy it again, whole");
        return None;
    }
    Some(Arc::new(Window::new(Arc::clone(source), start..start + length)))
}

fn unpacks(node: &mut Node, payload: &Source) {
    match unpackers::of(payload) {
        Ok(Some(built)) => super::built(node, built),
        Ok(None) => {}
        Err(error) => {
            let what = format!("its payload cannot be unpacked: {error}");
            node.problem(Severity::Warning, None, what, "take the kernel as it was built");
        }
    }
}
