//! Firmware as files, and programs that are none of EFI's: UEFI firmware volumes, option ROMs, iPXE, ELF.
//!
//! Specifications: UEFI Platform Initialization 1.8, volume 3, 3.2.1 (firmware volume); PCI Firmware 3.0,
//! 5.1 (option ROM); System V ABI (ELF). Told by their heads only:
//!
//! ```text
//! volume  16 GUID of its file system   32 length u64   40 "_FVH"
//! ROM     0 55 aa   2 length in 512 bytes   24 offset of "PCIR"
//! ELF     0 "\x7fELF"   4 class   5 byte order   16 type u16   18 machine u16
//! iPXE    0 a jump to 07c0:0005   16 "hLRET", where its source pushes the word
//! ```

use std::io;

use crate::bytes::read;
use crate::initrd::elf_architecture;
use crate::node::{Firmware, Node, Severity};
use crate::recognise::{Found, Look};
use crate::source::Source;

pub(crate) fn recognise(source: &Source, _: &Look<'_>) -> io::Result<Option<Found>> {
    let head = read(source, 0, 64)?;
    if head.has(40, b"_FVH") {
        let mut node = Node::new("firmware-volume", "UEFI firmware volume", source.size());
        let length = head.le64(32).unwrap_or(0);
        node.bytes("volume size", length);
        if length > source.size() {
            let what = format!("it is cut off: it has {length} bytes, there are {}", source.size());
            node.problem(Severity::Error, 32, what, "copy it again, whole");
        }
        return Ok(Some(node.into()));
    }
    if let Some(architecture) = elf_architecture(&head.0) {
        let mut node = Node::new("elf", format!("ELF program for {architecture}"), source.size());
        node.text("architecture", architecture);
        return Ok(Some(node.into()));
    }
    if head.has(0, &[0xea, 5, 0, 0xc0, 7]) && head.has(16, b"hLRET") {
        let mut node = Node::new("nbp", "iPXE for the PXE of a BIOS", source.size());
        node.boots(Firmware::Bios, Some("x86"), "by PXE, the file itself");
        return Ok(Some(node.into()));
    }
    if head.has(0, &[0x55, 0xaa]) {
        let table = u64::from(head.le16(24).unwrap_or(0));
        if read(source, table, 4)?.has(0, b"PCIR") {
            let mut node = Node::new("option-rom", "PCI option ROM", source.size());
            node.bytes("image size", u64::from(head.u8(2).unwrap_or(0)) * 512);
            return Ok(Some(node.into()));
        }
    }
    Ok(None)
}
