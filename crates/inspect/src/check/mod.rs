//! What is wrong between the parts, that none of them can tell alone.

mod disk;
mod pair;

pub(crate) use disk::ESP;

use crate::node::Node;

/// Looks at one node whose children are complete.
pub(crate) fn node(node: &mut Node) {
    match node.kind {
        "uki" => pair::uki(node),
        "gpt" | "mbr" => disk::partitions(node),
        "fat" | "iso" | "ext2" | "ext3" | "ext4" | "erofs" | "squashfs" => {
            disk::default_paths(node);
            pair::files(node);
        }
        _ => {}
    }
}

/// Looks at the whole tree.
pub(crate) fn whole(top: &mut Node) {
    disk::roots(top);
}
