//! The hashes of a FIT's images: nodes `hash-…` with `algo` and `value`.
//!
//! Compared are `sha256` and `crc32`; others are named only.

use std::io;

use bootwright_formats::ReadAt as _;
use sha2::{Digest as _, Sha256};

use super::fdt::Tree;
use crate::bytes::read;
use crate::node::Severity;
use crate::recognise::Part;
use crate::source::{Source, each_piece};

/// Notes each hash that is not that of the image's data.
pub(super) fn compare(part: &mut Part, source: &Source, image: &Tree) -> io::Result<()> {
    for hash in image.children.iter().filter(|child| child.name.starts_with("hash")) {
        let algorithm = hash.text(source, "algo")?;
        let Some(range) = hash.data("value") else { continue };
        let told = read(source, range.start, (range.end - range.start).min(64) as usize)?.0;
        let whole = 0..part.source.size();
        let found = match algorithm.as_str() {
            "sha256" => {
                let mut hash = Sha256::new();
                each_piece(&part.source, whole, |bytes| hash.update(bytes))?;
                hash.finalize().to_vec()
            }
            "crc32" => {
                let mut hash = flate2::Crc::new();
                each_piece(&part.source, whole, |bytes| hash.update(bytes))?;
                hash.sum().to_be_bytes().to_vec()
            }
            _ => continue,
        };
        if found != told {
            let what = format!("its data does not match its {algorithm}");
            part.node.problem(Severity::Error, None, what, "copy or build the image again");
        }
    }
    Ok(())
}
