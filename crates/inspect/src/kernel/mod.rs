//! Kernels as files: bzImage, the `Image` of arm64 and RISC-V, and EFI zboot.
//!
//! All of them may be PE files as well, for EFI; then [`pe`](crate::pe) asks here first.

mod image;
mod unpackers;
mod x86;
mod zboot;

use std::io;

use crate::bytes::read;
use crate::node::Node;
use crate::recognise::{Found, Look, Part};
use crate::source::Source;
use unpackers::Built;

/// The name of the fact that lists what a kernel unpacks.
pub(crate) const UNPACKS: &str = "unpacks initrds of";

/// The name of the fact that says whether the kernel carries its own configuration.
pub(crate) const CONFIGURATION: &str = "carries its configuration";
/// The name of the fact that lists file systems that are built in.
pub(crate) const BUILT_IN: &str = "file systems built in";

/// A kernel that is no PE file.
pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    Ok(describe(source, look)?.map(Found::from))
}

/// What the kernel says of itself; `None` when it is none.
pub(crate) fn describe(source: &Source, look: &Look<'_>) -> io::Result<Option<Node>> {
    let head = read(source, 0, 1024)?;
    if head.has(0x202, b"HdrS") {
        return x86::describe(source, &head, look).map(Some);
    }
    if head.has(0, b"MZ") && head.has(4, b"zimg") {
        return Ok(Some(zboot::describe(source, &head)));
    }
    let Some(mut node) = image::describe(source, &head) else { return Ok(None) };
    if look.deep {
        built(&mut node, unpackers::of_plain(source)?);
    }
    Ok(Some(node))
}

/// Tells what a kernel was built with. bzImage has its release in its head.
fn built(node: &mut Node, built: Built) {
    node.flag(CONFIGURATION, built.configuration);
    node.list(UNPACKS, built.unpacks).list(BUILT_IN, built.drivers);
    if node.facts.get("release").is_none() {
        node.text("release", built.release.unwrap_or_default());
    }
}

/// The parts of a kernel: what is compressed in an EFI zboot.
pub(crate) fn parts(source: &Source) -> io::Result<Vec<Part>> {
    let head = read(source, 0, 64)?;
    Ok(zboot::payload(source, &head).into_iter().collect())
}

/// Whether a kernel of that release can unpack it, by when Linux learned it; `None` when the release says
/// nothing.
pub(crate) fn too_old_for(release: &str, compression: &str) -> Option<&'static str> {
    let since = match compression {
        "zstd" => (5, 9, "5.9"),
        "lz4" => (3, 11, "3.11"),
        "xz" | "lzo" => (2, 38, "2.6.38"),
        _ => return None,
    };
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next()?, numbers.next()?);
    ((major, minor) < (since.0, since.1)).then_some(since.2)
}

#[cfg(test)]
mod tests {
    use super::too_old_for;

    #[test]
    fn a_kernel_knows_a_compression_from_a_release_on() {
        assert_eq!(too_old_for("5.8.0-1-amd64", "zstd"), Some("5.9"));
        assert_eq!(too_old_for("5.10.1", "zstd"), None);
        assert_eq!(too_old_for("6.1", "lz4"), None);
        assert_eq!(too_old_for("3.2.0", "lz4"), Some("3.11"));
        assert_eq!(too_old_for("odd", "zstd"), None);
    }
}
