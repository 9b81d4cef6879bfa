//! ext2, ext3, ext4: the superblock, read by [`bootwright_formats::ext4`].

use std::io;

use bootwright_formats::ext4::Superblock;

use crate::bytes::{flags, printable, read, uuid};
use crate::node::{Node, Severity};
use crate::source::Source;

const COMPAT: &[(u32, &str)] = &[
    (0x1, "dir_prealloc"),
    (0x2, "imagic_inodes"),
    (0x4, "has_journal"),
    (0x8, "ext_attr"),
    (0x10, "resize_inode"),
    (0x20, "dir_index"),
    (0x200, "sparse_super2"),
    (0x400, "fast_commit"),
    (0x800, "stable_inodes"),
    (0x1000, "orphan_file"),
];

const INCOMPAT: &[(u32, &str)] = &[
    (0x1, "compression"),
    (0x2, "filetype"),
    (0x4, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x1_0000, "encrypt"),
    (0x2_0000, "casefold"),
];

const RO_COMPAT: &[(u32, &str)] = &[
    (0x1, "sparse_super"),
    (0x2, "large_file"),
    (0x8, "huge_file"),
    (0x10, "uninit_bg"),
    (0x20, "dir_nlink"),
    (0x40, "extra_isize"),
    (0x80, "snapshot"),
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (0x400, "metadata_csum"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x2000, "project"),
    (0x4000, "shared_blocks"),
    (0x8000, "verity"),
    (0x1_0000, "orphan_present"),
];

/// The superblock has a checksum, CRC-32C.
const METADATA_CSUM: u32 = 0x400;

/// What ext3 knows beyond which it is ext4: `EXT3_FEATURE_*_SUPP` of Linux.
const EXT3_INCOMPAT: u32 = 0x2 | 0x4 | 0x10;
const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4;

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let block = read(source, 1024, 1024)?;
    let Some(superblock) = Superblock::parse(&block.0) else { return Ok(None) };
    let Superblock { compat, incompat, ro_compat, .. } = superblock;
    let kind = if incompat & !EXT3_INCOMPAT != 0 || ro_compat & !EXT3_RO_COMPAT != 0 {
        "ext4"
    } else if compat & 0x4 != 0 {
        "ext3"
    } else {
        "ext2"
    };
    let mut node = Node::new(kind, format!("{kind} file system"), source.size());
    node.text("label", printable(&superblock.label)).text("uuid", uuid(superblock.uuid));
    super::filled(&mut node, superblock.blocks.saturating_mul(superblock.block_size), source);
    node.bytes("block size", superblock.block_size);
    node.text("last mounted on", printable(&superblock.last_mounted));
    let mut words = flags(compat, COMPAT);
    words.extend(flags(incompat, INCOMPAT));
    words.extend(flags(ro_compat, RO_COMPAT));
    node.list("features", words);
    node.needs(format!("a kernel with {kind} (CONFIG_EXT4_FS)"));
    if ro_compat & METADATA_CSUM != 0 {
        // Linux does not invert it at the end, as the crate does.
        let found = !crc32c::crc32c(block.slice(0, 0x3fc).unwrap_or_default());
        super::summed(&mut node, 1024 + 0x3fc, (Some(superblock.checksum), found), "run e2fsck on it");
    }
    state(&mut node, superblock.state, incompat);
    Ok(Some(node))
}

fn state(node: &mut Node, state: u16, incompat: u32) {
    if state & 0x2 != 0 {
        let what = "the file system has errors, says its state (s_state)";
        node.problem(Severity::Error, 1024 + 0x3a, what, "run e2fsck on it");
    }
    if incompat & 0x4 != 0 {
        let what = "it was not unmounted: its journal has to be replayed";
        node.problem(Severity::Warning, 1024 + 0x60, what, "mount it once, or run e2fsck on it");
    }
}
