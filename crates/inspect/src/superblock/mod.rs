//! What lies on a block device, by its superblock: file systems, encryption, integrity, swap, members of
//! volumes. One file each; none of them reads more than some blocks.
//!
//! Told: label, UUID, size, features, what a kernel needs to use it. What is in them, where it is read, is
//! [`filesystem`]'s.

mod btrfs;
mod erofs;
mod ext;
mod luks;
mod lvm;
mod md;
mod ntfs;
mod squashfs;
mod swap;
mod udf;
mod verity;
mod xfs;

use std::io;

use crate::filesystem;
use crate::node::{Node, Severity};
use crate::recognise::{Found, Look, first, unreadable};
use crate::source::Source;

type Superblock = fn(&Source) -> io::Result<Option<Node>>;

/// Members of volumes come first: a RAID mirror holds the superblock of its file system, too.
const SUPERBLOCKS: &[Superblock] = &[
    luks::recognise,
    md::recognise,
    lvm::recognise,
    verity::recognise,
    squashfs::recognise,
    xfs::recognise,
    ntfs::recognise,
    ext::recognise,
    erofs::recognise,
    btrfs::recognise,
    udf::recognise,
    swap::recognise,
];

pub(crate) fn recognise(source: &Source, _: &Look<'_>) -> io::Result<Option<Found>> {
    let found = first(SUPERBLOCKS.iter().map(|superblock| superblock(source)))?;
    let Some((mut node, unread)) = found else { return Ok(None) };
    unreadable(&mut node, unread);
    Ok(Some(match node.kind {
        "erofs" => filesystem::erofs::within(node, source),
        "squashfs" => filesystem::squashfs::within(node, source),
        "ext2" | "ext3" | "ext4" => filesystem::ext4::within(node, source),
        _ => node.into(),
    }))
}

/// Notes a fault when a checksum is not the one that was found.
fn summed(node: &mut Node, offset: u64, (told, found): (Option<u32>, u32), remedy: &str) {
    if let Some(told) = told.filter(|told| *told != found) {
        let what = format!("the superblock is damaged: its checksum is {found:08x}, it says {told:08x}");
        node.problem(Severity::Error, offset, what, remedy);
    }
}

/// Notes the size that the superblock tells, and a fault when the bytes end before it.
fn filled(node: &mut Node, bytes: u64, source: &Source) {
    node.bytes("file system size", bytes);
    let there = source.size();
    if bytes > there {
        let what = format!("it is cut off: its superblock says {bytes} bytes, there are {there}");
        node.problem(Severity::Error, there, what, "copy it again, whole");
    }
}
