//! Swap space, and a hibernated system in it.
//!
//! Specification: Linux, `include/linux/swap.h`. The magic is in the last ten bytes of the first page,
//! whose size is the machine's; in the order of the machine's bytes, little-endian here:
//!
//! ```text
//! 1024 version   1028 last_page   1032 nr_badpages   1036 uuid[16]   1052 volume_name[16]
//! page - 10 "SWAPSPACE2"
//! ```

use std::io;

use crate::bytes::read;
use crate::node::{Node, Severity};
use crate::source::Source;

/// The page sizes of Linux' machines.
const PAGES: [u64; 4] = [4096, 8192, 16384, 65536];

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    for page in PAGES {
        let magic = read(source, page - 10, 10)?;
        let suspended = ["S1SUSPEND\0", "S2SUSPEND\0", "ULSUSPEND\0", "LINHIB0001"];
        let suspended = suspended.iter().any(|other| magic.has(0, other.as_bytes()));
        if suspended || magic.has(0, b"SWAPSPACE2") {
            return node(source, page, suspended).map(Some);
        }
    }
    Ok(None)
}

fn node(source: &Source, page: u64, suspended: bool) -> io::Result<Node> {
    let head = read(source, 1024, 64)?;
    let mut node = Node::new("swap", "swap space", source.size());
    node.text("label", head.text(28, 16)).text("uuid", head.uuid(12)).bytes("page size", page);
    let bytes = u64::from(head.le32(4).unwrap_or(0)).saturating_add(1).saturating_mul(page);
    super::filled(&mut node, bytes, source);
    if head.le32(0) != Some(1) {
        let what = "its version is not 1 in little-endian: a machine of this byte order cannot use it";
        node.problem(Severity::Warning, 1024, what, "make it again with mkswap");
    }
    if suspended {
        let what = "a hibernated system is stored in it";
        let remedy = "boot the system that it belongs to; writing to its disks before destroys them";
        node.problem(Severity::Warning, page - 10, what, remedy);
    }
    Ok(node)
}
