//! WIM: the archive of Windows' installer and its boot images.
//!
//! Specification: Microsoft, "Windows Imaging File Format"; wimlib, `header.h`. Little-endian:
//!
//! ```text
//! 0 "MSWIM\0\0\0"   8 header size (208)   12 version   16 flags   20 chunk size   24 guid[16]   40 part u16
//! 42 parts u16   44 images u32   48 lookup table, 72 XML, 96 boot metadata, 124 integrity table
//! each 24 bytes: size (7 bytes), flags u8, offset u64, original size u64   120 boot image u32
//! ```
//!
//! The files in it are not read, only its header and XML.

use std::io;

use crate::bytes::{Bytes, printable, read};
use crate::node::{Node, Severity, size_text};
use crate::recognise::{Found, Look};
use crate::source::Source;

/// The largest XML that is read: some KiB per image is usual.
const MAX_XML: u64 = 1 << 20;

/// The most images that are named.
const MAX_IMAGES: usize = 64;

const FLAGS: [(u32, &str); 5] =
    [(0x2_0000, "XPRESS"), (0x4_0000, "LZX"), (0x8_0000, "LZMS"), (0x20_0000, "XPRESS2"), (0x2, "another")];

pub(crate) fn recognise(source: &Source, _: &Look<'_>) -> io::Result<Option<Found>> {
    let head = read(source, 0, 208)?;
    let solid = head.has(0, b"WLPWM\0\0\0");
    if !head.has(0, b"MSWIM\0\0\0") && !solid {
        return Ok(None);
    }
    let mut node = Node::new("wim", "Windows image (WIM)", source.size());
    let flags = head.le32(16).unwrap_or(0);
    let packed = FLAGS.iter().find(|(bit, _)| flags & bit != 0).map_or("none", |(_, name)| name);
    let images = head.le32(44).unwrap_or(0);
    node.number("images", images).text("packed with", packed);
    if let Some(boot @ 1..) = head.le32(120) {
        node.number("boot image", boot).needs("Windows' boot manager, or wimboot");
    }
    let (part, parts) = (head.le16(40).unwrap_or(1), head.le16(42).unwrap_or(1));
    if parts > 1 {
        node.text("part", format!("{part} of {parts}")).needs("the other parts");
    }
    for (name, at) in [("lookup table", 48), ("XML", 72)] {
        let (offset, size) = resource(&head, at);
        if offset.saturating_add(size) > source.size() {
            let what = format!("it is cut off: its {name} is at {offset}, {size} bytes");
            node.problem(Severity::Error, at as u64, what, "copy it again, whole");
            return Ok(Some(node.into()));
        }
    }
    let (offset, size) = resource(&head, 72);
    let xml = read(source, offset, size.min(MAX_XML) as usize)?;
    let units: Vec<u16> = (0..xml.0.len() / 2).filter_map(|n| xml.le16(n * 2)).collect();
    tell(&mut node, &String::from_utf16_lossy(&units));
    Ok(Some(node.into()))
}

/// Offset and size in the file.
fn resource(head: &Bytes, at: usize) -> (u64, u64) {
    let size = head.le64(at).unwrap_or(0) & 0x00ff_ffff_ffff_ffff;
    (head.le64(at + 8).unwrap_or(0), size)
}

/// What the XML says of each image:
///
/// ```text
/// <IMAGE INDEX="1"><FILECOUNT>9</FILECOUNT><TOTALBYTES>5</TOTALBYTES><WINDOWS><ARCH>9</ARCH>
/// <VERSION><MAJOR>10</MAJOR><MINOR>0</MINOR><BUILD>22621</BUILD></VERSION></WINDOWS><NAME>…</NAME></IMAGE>
/// ```
fn tell(node: &mut Node, xml: &str) {
    let images = xml.split("<IMAGE ").skip(1).take(MAX_IMAGES).zip(1_u32..);
    node.list("named", images.map(|(image, number)| format!("{number}: {}", told(image))).collect());
}

fn told(image: &str) -> String {
    let inside = |name: &str| {
        let start = image.find(&format!("<{name}>"))? + name.len() + 2;
        let rest = image.get(start..)?;
        Some(unescaped(rest.get(..rest.find('<')?)?))
    };
    let version = ["MAJOR", "MINOR", "BUILD"].map(&inside);
    let version = version.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(".");
    let bytes = inside("TOTALBYTES").and_then(|bytes| bytes.parse().ok()).map(size_text);
    let files = inside("FILECOUNT").map(|files| format!("{files} files"));
    let architecture = inside("ARCH").and_then(|arch| architecture(&arch)).map(str::to_owned);
    let more = [architecture, Some(version).filter(|version| !version.is_empty()), bytes, files];
    let more = more.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let name = inside("NAME").unwrap_or_else(|| "without a name".to_owned());
    if more.is_empty() { name } else { format!("{name} ({more})") }
}

/// A text of the XML with its five entities replaced.
fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    let text = entities.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    printable(text.as_bytes())
}

/// `PROCESSOR_ARCHITECTURE_*`.
fn architecture(number: &str) -> Option<&'static str> {
    Some(match number {
        "0" => "i386",
        "5" => "arm",
        "9" => "x86_64",
        "12" => "aarch64",
        _ => return None,
    })
}
