//! EROFS by mkfs.erofs(1), which reads a tar stream since 1.8.

use std::process::{ChildStdin, Stdio};

use bootwright_image::Digest;

use super::{Counting, Order, RootError};
use crate::recipe::Compression;
use crate::tool::Tool;
use crate::tree::Tree;

const MKFS: Tool = Tool { program: "mkfs.erofs", package: "erofs-utils" };
const NEEDED: (u32, u32) = (1, 8);

pub(super) fn version() -> Result<String, RootError> {
    // Versions before 1.6 know no --version and begin their help without a number.
    let text = MKFS.output(MKFS.command().arg("-V"))?;
    let word = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let found = word.unwrap_or("of unknown version").to_owned();
    let mut numbers = found.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let version = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if version < NEEDED {
        let advice = "Debian 13 has it; or set format = \"squashfs\"";
        return Err(RootError::TooOld { program: "mkfs.erofs", found, needed: "1.8", advice });
    }
    Ok(found)
}

pub(super) fn write(order: &Order<'_>) -> Result<(), RootError> {
    let Order { tree, to, compression, epoch, fed } = *order;
    let algorithm = match compression {
        Compression::Zstd => "zstd,level=15",
        Compression::Xz => "lzma",
        Compression::Lz4 => "lz4hc,12",
        Compression::Gzip => "deflate",
    };
    let mut command = MKFS.command();
    command.args(["--tar=f", "--quiet", "-C65536", "-Efragments,dedupe,all-fragments", "-z", algorithm]);
    command.args(["-T", &epoch.to_string(), "--mkfs-time", "-U", &uuid(tree)]);
    command.arg(to).arg("/dev/stdin").stdout(Stdio::null());
    let feed = |stdin: &mut ChildStdin| tree.write_tar(Counting::new(stdin, fed));
    Ok(MKFS.run(&mut command, Some(&feed), &|line| tracing::debug!(line, "mkfs.erofs"))?)
}

/// A version 8 UUID (RFC 9562) that the names in the tree decide: mkfs.erofs would take a random one.
fn uuid(tree: &Tree) -> String {
    let mut digester = bootwright_image::Digester::default();
    tree.iter().for_each(|(path, _)| digester.update(path.as_bytes()));
    let Digest(mut bytes) = digester.finish();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = Digest(bytes).hex();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}
