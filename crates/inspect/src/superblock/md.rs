//! Member of a Linux software RAID (md).
//!
//! Specification: Linux, `include/uapi/linux/raid/md_p.h`. Little-endian:
//!
//! ```text
//! version 1 (at 0: 1.1, at 4096: 1.2, 8 to 12 KiB before the end: 1.0)
//!   0 magic 0xa92b4efc   4 major 1   16 set_uuid[16]   32 set_name[32]   72 level i32   88 chunksize   92 raid_disks
//!   144 super_offset u64 (sectors)
//! version 0.90 (in the last 64 to 128 KiB)
//!   0 magic   4 major 0   28 level i32   40 raid_disks
//! ```

use std::io;

use crate::bytes::{Bytes, read};
use crate::node::Node;
use crate::source::Source;

const MAGIC: [u8; 4] = 0xa92b_4efc_u32.to_le_bytes();

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let sectors = source.size() / 512;
    let near_end = sectors.checked_sub(16).map(|sector| (sector & !7) * 512);
    let places = [(Some(4096), "1.2"), (Some(0), "1.1"), (near_end, "1.0")];
    for (at, version) in places.into_iter().filter_map(|(at, version)| Some((at?, version))) {
        let block = read(source, at, 256)?;
        let here = block.le64(144).and_then(|sector| sector.checked_mul(512)) == Some(at);
        if block.has(0, &MAGIC) && block.le32(4) == Some(1) && here {
            return Ok(Some(node(source, &block, version)));
        }
    }
    let Some(at) = (source.size() & !0xffff).checked_sub(0x1_0000) else { return Ok(None) };
    let block = read(source, at, 128)?;
    let old = block.has(0, &MAGIC) && block.le32(4) == Some(0);
    Ok(old.then(|| member(source, "0.90", block.le32(28), block.le32(40))))
}

fn node(source: &Source, block: &Bytes, version: &str) -> Node {
    let mut node = member(source, version, block.le32(72), block.le32(92));
    node.text("array", block.text(32, 32)).text("uuid", block.uuid(16));
    if let Some(sectors) = block.le32(88).filter(|&sectors| sectors != 0) {
        node.bytes("chunk size", u64::from(sectors) * 512);
    }
    node
}

fn member(source: &Source, version: &str, level: Option<u32>, disks: Option<u32>) -> Node {
    let level = match level.unwrap_or(0).cast_signed() {
        -1 => "linear".to_owned(),
        level => format!("RAID{level}"),
    };
    let disks = disks.unwrap_or(0);
    let mut node = Node::new("md", format!("member of a {level} of {disks} disks"), source.size());
    node.text("metadata", version).text("level", level).number("disks", disks);
    node.needs("the kernel's md with this level, mdadm, and the other members");
    node
}
