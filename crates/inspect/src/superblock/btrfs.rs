//! Btrfs.
//!
//! Specification: the on-disk format of the Btrfs documentation. At byte 65536, little-endian:
//!
//! ```text
//! 0 csum[32]   0x20 fsid[16]   0x40 "_BHRfS_M"   0x70 total_bytes u64   0x78 bytes_used u64   0x88 num_devices u64
//! 0x90 sectorsize   0x94 nodesize   0xb4 compat_ro_flags u64   0xbc incompat_flags u64
//! 0xc4 csum_type u16   0x12b label[256]
//! ```

use std::io;

use crate::bytes::{flags, read};
use crate::node::{Node, Severity};
use crate::source::Source;

const OFFSET: u64 = 0x1_0000;

const COMPAT_RO: &[(u32, &str)] =
    &[(0x1, "free-space-tree"), (0x2, "free-space-tree-valid"), (0x4, "verity"), (0x8, "block-group-tree")];

const INCOMPAT: &[(u32, &str)] = &[
    (0x1, "mixed-backref"),
    (0x2, "default-subvol"),
    (0x4, "mixed-bg"),
    (0x8, "compress-lzo"),
    (0x10, "compress-zstd"),
    (0x20, "big-metadata"),
    (0x40, "extref"),
    (0x80, "raid56"),
    (0x100, "skinny-metadata"),
    (0x200, "no-holes"),
    (0x400, "metadata-uuid"),
    (0x800, "raid1c34"),
    (0x1000, "zoned"),
    (0x2000, "extent-tree-v2"),
    (0x4000, "raid-stripe-tree"),
    (0x1_0000, "simple-quota"),
];

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let block = read(source, OFFSET, 4096)?;
    if !block.has(0x40, b"_BHRfS_M") {
        return Ok(None);
    }
    let mut node = Node::new("btrfs", "Btrfs file system", source.size());
    node.text("label", block.text(0x12b, 256)).text("uuid", block.uuid(0x20));
    let total = block.le64(0x70).unwrap_or(0);
    let devices = block.le64(0x88).unwrap_or(0);
    if devices > 1 {
        // The total is that of all devices: it says nothing of this one.
        node.bytes("file system size", total).number("devices", devices);
        node.needs(format!("{} more devices of the same file system", devices - 1));
    } else {
        super::filled(&mut node, total, source);
    }
    node.bytes("used", block.le64(0x78).unwrap_or(0));
    node.bytes("sector size", block.le32(0x90).unwrap_or(0));
    node.bytes("node size", block.le32(0x94).unwrap_or(0));
    let checksum = match block.le16(0xc4) {
        Some(0) => "crc32c",
        Some(1) => "xxhash64",
        Some(2) => "sha256",
        Some(3) => "blake2b",
        _ => {
            let what = "its kind of checksum (csum_type) is unknown";
            node.problem(Severity::Error, OFFSET + 0xc4, what, "use a newer kernel, or make it again");
            ""
        }
    };
    node.text("checksum", checksum);
    if checksum == "crc32c" {
        let found = crc32c::crc32c(block.slice(0x20, 4096 - 0x20).unwrap_or_default());
        super::summed(&mut node, OFFSET, (block.le32(0), found), "run btrfs rescue super-recover on it");
    }
    // All flags of today are in the low half.
    let mut words = flags(block.le32(0xb4).unwrap_or(0), COMPAT_RO);
    words.extend(flags(block.le32(0xbc).unwrap_or(0), INCOMPAT));
    node.list("features", words);
    node.needs("a kernel with Btrfs (CONFIG_BTRFS_FS)");
    Ok(Some(node))
}
