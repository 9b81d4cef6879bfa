//! Android boot image, header versions 0 to 4.
//!
//! Specification: AOSP, `bootimg.h`. Little-endian; each part starts on a page:
//!
//! ```text
//! 0 "ANDROID!"   40 header_version
//! 0-2  8 kernel_size   16 ramdisk_size   24 second_size   36 page_size   44 os_version   48 name[16]
//!      64 cmdline[512]   608 extra_cmdline[1024]
//!      1  1632 recovery_dtbo_size   1644 header_size       2  1648 dtb_size
//! 3-4  8 kernel_size   12 ramdisk_size   16 os_version   20 header_size   44 cmdline[1536]; pages of 4096
//!      4  1580 signature_size
//! ```

use std::io;

use crate::bytes::Bytes;
use crate::node::{Firmware, Node, Severity};
use crate::recognise::{Found, Inner, Part};
use crate::source::Source;

pub(super) fn describe(source: &Source, head: &Bytes) -> io::Result<Found> {
    // Before there were versions, the field was the size of a devicetree.
    let version = head.le32(40).filter(|&version| version <= 4).unwrap_or(0);
    let mut node = Node::new("android-boot", format!("Android boot image, version {version}"), source.size());
    let (page, cmdline, os_version, parts) = if version >= 3 {
        let parts = [("kernel", 8), ("ramdisk", 12), ("signature", 1580)];
        (4096, head.text(44, 1536), head.le32(16), parts.to_vec())
    } else {
        let more = [head.text(64, 512), head.text(608, 1024)].concat();
        let parts = [("kernel", 8), ("ramdisk", 16), ("second", 24), ("recovery_dtbo", 1632), ("dtb", 1648)];
        node.text("name", head.text(48, 16));
        (head.le32(36).unwrap_or(0), more, head.le32(44), parts.to_vec())
    };
    node.text("command line", cmdline).text("Android version", os_version.map_or_else(String::new, release));
    if !page.is_power_of_two() || !(512..=1 << 20).contains(&page) {
        let what = format!("its page size is {page}, lawful are powers of two from 2048 on");
        node.problem(Severity::Error, 36, what, "build it again with mkbootimg");
        return Ok(node.into());
    }
    node.bytes("page size", page);
    let there = |name: &str| match name {
        "recovery_dtbo" => version >= 1,
        "dtb" => version >= 2,
        "signature" => version >= 4,
        _ => true,
    };
    let parts = parts.into_iter().filter(|(name, _)| there(name));
    let sizes: Vec<_> = parts.map(|(name, at)| (name, u64::from(head.le32(at).unwrap_or(0)))).collect();
    let parts = lay_out(&mut node, source, page.into(), page.into(), &sizes);
    node.boots(Firmware::Android, None, "the file itself");
    Ok(Found { node, inner: Inner::Parts(parts) })
}

/// The parts that follow each other on pages from `at` on.
pub(super) fn lay_out(
    node: &mut Node,
    source: &Source,
    page: u64,
    mut at: u64,
    sizes: &[(&'static str, u64)],
) -> Vec<Part> {
    let mut parts = Vec::new();
    for &(name, size) in sizes.iter().filter(|(_, size)| *size > 0) {
        if at + size > source.size() {
            let what =
                format!("it is cut off: its {name} ends at {}, the file at {}", at + size, source.size());
            node.problem(Severity::Error, at, what, "copy it again, whole");
        }
        parts.push(Part::window(source, name, at, Node::new("section", name, size)));
        at = (at + size).next_multiple_of(page);
    }
    parts
}

/// `os_version`: three times seven bits of version, then seven of year since 2000 and four of month.
fn release(bits: u32) -> String {
    if bits == 0 {
        return String::new();
    }
    let (version, patch) = (bits >> 11, bits & 0x7ff);
    let numbers = [version >> 14 & 0x7f, version >> 7 & 0x7f, version & 0x7f];
    format!(
        "{}.{}.{}, patches of {}-{:02}",
        numbers[0],
        numbers[1],
        numbers[2],
        2000 + (patch >> 4),
        patch & 0xf
    )
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn version_and_patch_level_come_out_of_one_number() {
        let bits = (13 << 14 | 2 << 7 | 1) << 11 | (23 << 4 | 5);
        assert_eq!(release(bits), "13.2.1, patches of 2023-05");
    }
}
