//! Android vendor boot image, header versions 3 and 4.
//!
//! Specification: AOSP, `bootimg.h`. Little-endian; header, ramdisks, devicetree, table of ramdisks and boot
//! configuration start on pages:
//!
//! ```text
//! 0 "VNDRBOOT"   8 version   12 page_size   24 vendor_ramdisk_size   28 cmdline[2048]   2080 name[16]
//! 2096 header_size   2100 dtb_size   4: 2112 table size   2116 entries   2120 entry size   2124 bootconfig_size
//! table entry: 0 size   4 offset   8 type   12 name[32]
//! ```

use std::io;

use super::boot::lay_out;
use crate::bytes::{Bytes, read};
use crate::node::{Node, Severity};
use crate::recognise::{Found, Inner};
use crate::source::Source;

/// The most ramdisks that are named: real ones have up to four.
const MAX_RAMDISKS: u32 = 64;

pub(super) fn describe(source: &Source, head: &Bytes) -> io::Result<Found> {
    let version = head.le32(8).unwrap_or(0);
    let what = format!("Android vendor boot image, version {version}");
    let mut node = Node::new("android-vendor-boot", what, source.size());
    node.text("name", head.text(2080, 16)).text("command line", head.text(28, 2048));
    let page = u64::from(head.le32(12).unwrap_or(0));
    let header = u64::from(head.le32(2096).unwrap_or(0));
    if !page.is_power_of_two() || !(512..=1 << 20).contains(&page) || !(3..=4).contains(&version) {
        let what = format!("version {version} with a page size of {page}: unknown or broken");
        node.problem(Severity::Error, 8, what, "build it again with mkbootimg");
        return Ok(node.into());
    }
    let size = |at| u64::from(head.le32(at).unwrap_or(0));
    let mut sizes = vec![("ramdisk", size(24)), ("dtb", size(2100))];
    if version == 4 {
        sizes.extend([("ramdisk_table", size(2112)), ("bootconfig", size(2124))]);
    }
    let parts = lay_out(&mut node, source, page, header.next_multiple_of(page), &sizes);
    if let Some(table) = parts.iter().find(|part| part.name == "ramdisk_table") {
        let (count, length) = (head.le32(2116).unwrap_or(0).min(MAX_RAMDISKS), size(2120));
        let mut names = Vec::new();
        for number in 0..u64::from(count) {
            let entry = read(&table.source, number * length, 44)?;
            let kind = match entry.le32(8) {
                Some(1) => "platform",
                Some(2) => "recovery",
                Some(3) => "dlkm",
                _ => "none",
            };
            names.push(format!("{}:{kind}", entry.text(12, 32)));
        }
        node.list("ramdisks", names);
    }
    node.needs("the boot image that belongs to it: its ramdisk comes after this one's");
    Ok(Found { node, inner: Inner::Parts(parts) })
}
