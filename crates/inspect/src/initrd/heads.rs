//! The segments of an initrd, as far as they are known without unpacking.

use std::io;
use std::sync::Arc;

use bootwright_formats::ReadAt as _;
use bootwright_formats::compression::Compression;
use bootwright_formats::cpio;

use super::COMPRESSION;
use crate::bytes::{printable, read};
use crate::node::{Node, Severity};
use crate::packed::{Peek, peek};
use crate::source::{Source, Stream};

/// The most members of uncompressed segments whose heads are read: microcode has fewer than ten; an initrd
/// that is not compressed at all is then known well enough.
const MAX_MEMBERS: usize = 256;

/// The most segments that are told.
const MAX_SEGMENTS: usize = 32;

/// The most NUL bytes between two segments that are passed over.
const MAX_PADDING: u64 = 1 << 20;

/// What is known of a segment.
pub(super) struct Segment {
    offset: u64,
    compression: Compression,
    /// Where it ends; `None` when that is not known.
    end: Option<u64>,
    microcode: Vec<&'static str>,
    fault: Option<(u64, String)>,
}

pub(super) fn walk(source: &Source) -> io::Result<Vec<Segment>> {
    let (mut segments, mut at, mut members) = (Vec::new(), 0, 0);
    while let Some(offset) = skip_nuls(source, at)? {
        if segments.len() >= MAX_SEGMENTS {
            break;
        }
        let head = read(source, offset, 8)?;
        let compression = Compression::detect(&head.0);
        let mut segment = Segment { offset, compression, end: None, microcode: Vec::new(), fault: None };
        if head.has(0, b"0707") {
            archive(source, &mut segment, &mut members)?;
        } else if compression == Compression::None {
            let text = format!("no segment starts here: found {}", head.0.escape_ascii());
            segment.fault = Some((offset, text));
        } else if let Peek::Broken(error) = peek(source, offset, compression)? {
            segment.fault = Some((offset, format!("its {compression} stream is broken: {error}")));
        }
        let end = segment.end;
        segments.push(segment);
        match end {
            Some(end) if end > offset => at = end,
            _ => break,
        }
    }
    Ok(segments)
}

fn skip_nuls(source: &Source, mut at: u64) -> io::Result<Option<u64>> {
    let limit = at.saturating_add(MAX_PADDING);
    while at < source.size().min(limit) {
        let piece = read(source, at, 512)?.0;
        match piece.iter().position(|&byte| byte != 0) {
            Some(found) => return Ok(Some(at + found as u64)),
            None => at += piece.len() as u64,
        }
    }
    Ok(None)
}

/// Walks the heads of an uncompressed archive to its trailer.
fn archive(source: &Source, segment: &mut Segment, members: &mut usize) -> io::Result<()> {
    let mut at = segment.offset;
    if !at.is_multiple_of(4) {
        segment.fault =
            Some((at, "an archive that does not start at a multiple of 4: the kernel misses it".into()));
    }
    loop {
        *members += 1;
        if *members > MAX_MEMBERS {
            return Ok(());
        }
        let mut reader = cpio::Reader::new(Stream::sparse(Arc::clone(source), at));
        match reader.next_entry() {
            Ok(Some(entry)) => {
                match entry.path() {
                    b"kernel/x86/microcode/GenuineIntel.bin" => segment.microcode.push("Intel"),
                    b"kernel/x86/microcode/AuthenticAMD.bin" => segment.microcode.push("AMD"),
                    _ => {}
                }
                at = at.saturating_add(entry.total_size());
                if at > source.size() {
                    let path = printable(entry.path());
                    let what = format!("it is cut off in its member {path}, which ends at {at}");
                    segment.fault = Some((source.size(), what));
                    return Ok(());
                }
            }
            Ok(None) => {
                segment.end = Some(at + reader.position());
                return Ok(());
            }
            Err(cpio::Error::Read { source, .. }) => return Err(source),
            Err(error) => {
                segment.fault = Some((at, error.to_string()));
                return Ok(());
            }
        }
    }
}

pub(super) fn tell(node: &mut Node, segments: &[Segment]) {
    let mut names: Vec<String> = Vec::new();
    for segment in segments {
        let name = segment.compression.name().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let packed: Vec<_> = names.iter().filter(|name| *name != "none").cloned().collect();
    let microcode: Vec<_> = segments.iter().flat_map(|segment| segment.microcode.iter().copied()).collect();
    node.what = match packed.as_slice() {
        [] => "initrd, not compressed".to_owned(),
        packed => format!("initrd, {}", packed.join(" and ")),
    };
    node.list(COMPRESSION, names);
    node.list("early microcode", microcode.iter().map(|&name| name.to_owned()).collect());
    let place = |segment: &Segment| match segment.compression {
        Compression::None => format!("cpio@{}", segment.offset),
        packed => format!("{packed}@{}", segment.offset),
    };
    node.list("segments", segments.iter().map(place).collect());
    for option in segments.iter().filter_map(|segment| segment.compression.kernel_option()) {
        let text = format!("a kernel that unpacks it ({option})");
        if !node.needs.contains(&text) {
            node.needs(text);
        }
    }
    for (offset, fault) in segments.iter().filter_map(|segment| segment.fault.as_ref()) {
        node.problem(Severity::Error, *offset, fault.clone(), "build the initrd again");
    }
    if segments.iter().skip(1).any(|segment| !segment.microcode.is_empty()) {
        let what = "microcode in a segment that is not the first: the kernel looks for it only there";
        node.problem(Severity::Warning, None, what, "put the microcode in front");
    }
}
