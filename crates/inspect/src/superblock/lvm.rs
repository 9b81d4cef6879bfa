//! LVM2 physical volume.
//!
//! Specification: LVM2, `lib/format_text/layout.h`. In one of the first four sectors, little-endian:
//!
//! ```text
//! label        0 "LABELONE"   8 sector u64   20 offset of the header u32   24 "LVM2 001"
//! header       0 uuid[32]   32 device size u64   40 areas (offset u64, size u64) of data, zero, of metadata, zero
//! metadata     4 " LVM2 x[5A%r0N*>"   40 text: offset u64, size u64; the text starts with the group's name
//! ```

use std::io;

use crate::bytes::{Bytes, printable, read};
use crate::node::Node;
use crate::source::Source;

/// The most areas that are looked at: real ones have one or two of each kind.
const MAX_AREAS: usize = 8;

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let sectors = read(source, 0, 4 * 512)?;
    let label = (0..4).map(|sector| sector * 512).find(|&at| sectors.has(at, b"LABELONE"));
    let Some(at) = label.filter(|at| sectors.has(at + 24, b"LVM2 001")) else { return Ok(None) };
    let header = at.checked_add(sectors.le32(at + 20).unwrap_or(0) as usize);
    let Some(header) = header.filter(|&header| header + 40 <= sectors.0.len()) else { return Ok(None) };
    let mut node = Node::new("lvm", "LVM2 physical volume", source.size());
    let uuid = sectors.text(header, 32);
    node.text("uuid", dashed(&uuid));
    super::filled(&mut node, sectors.le64(header + 32).unwrap_or(0), source);
    node.text("volume group", group(source, &sectors, header + 40)?);
    node.needs("device-mapper and lvm2, and the other volumes of the group");
    Ok(Some(node))
}

/// In groups of 6, 4, 4, 4, 4, 4 and 6, as the tools print it.
fn dashed(uuid: &str) -> String {
    let groups = [0..6, 6..10, 10..14, 14..18, 18..22, 22..26, 26..32];
    groups.map(|group| uuid.get(group).unwrap_or_default()).join("-")
}

/// The name of the volume group; empty for a volume that is in none.
fn group(source: &Source, sectors: &Bytes, areas: usize) -> io::Result<String> {
    let offsets = |from: usize| {
        let at = move |n: usize| from + n * 16;
        (0..MAX_AREAS).map(move |n| sectors.le64(at(n)).unwrap_or(0)).take_while(|&offset| offset != 0)
    };
    let data = offsets(areas).count();
    let Some(area) = offsets(areas + (data + 1) * 16).next() else { return Ok(String::new()) };
    let head = read(source, area, 64)?;
    if !head.has(4, b" LVM2 x[5A%r0N*>") {
        return Ok(String::new());
    }
    let Some(text) = head.le64(40).filter(|&offset| offset != 0).and_then(|offset| area.checked_add(offset))
    else {
        return Ok(String::new());
    };
    // `name {`: LVM allows 127 characters.
    let text = read(source, text, 128)?;
    let name = text.0.split(|byte| byte.is_ascii_whitespace() || *byte == b'{').next().unwrap_or_default();
    Ok(printable(name))
}
