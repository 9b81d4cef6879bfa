//! EROFS by the writer of our own, [`formats::erofs`](bootwright_formats::erofs).

use std::fs::File;
use std::io::{self, BufWriter};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;

use bootwright_formats::Guid;
use bootwright_formats::erofs::{self, Algorithm, Options, Writer};

use super::{Order, RootError};
use crate::recipe::Compression;
use crate::tree::Tree;

/// Counts up when the same tree shall give another image.
pub(super) const GENERATION: &str = "bootwright 2";
/// Bytes that are handed to the kernel at once.
const BUFFER: usize = 1 << 20;

/// The compressor, as hard as its best that is not out of all proportion.
pub(super) fn compression(compression: Compression) -> Result<erofs::Compression, RootError> {
    let (algorithm, level) = match compression {
        Compression::Zstd => (Algorithm::Zstd, 15),
        // As mkfs.erofs. At 12 a Debian root is a sixth of a percent smaller, for three times the work.
        Compression::Lz4 => (Algorithm::Lz4, 9),
        Compression::Gzip => (Algorithm::Deflate, 9),
        Compression::Xz => return Err(RootError::Format("EROFS with xz: zstd, gzip and lz4 are written")),
    };
    Ok(erofs::Compression { algorithm, level })
}

pub(super) fn write(order: &Order<'_>) -> Result<(), RootError> {
    let Order { tree, to, epoch, fed, .. } = *order;
    let options = Options {
        uuid: uuid(tree),
        build_time: epoch,
        compression: Some(compression(order.compression)?),
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let failed = |source: io::Error| RootError::Output { path: to.to_owned(), source };
    let file = File::create(to).map_err(failed)?;
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, file), options)?;
    tree.write_erofs(&mut writer, order.first, fed)?;
    let (out, written) = writer.finish()?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.write_all_at(&written.first_block, 0).map_err(failed)
}

/// Named by the paths in the tree.
fn uuid(tree: &Tree) -> [u8; 16] {
    let mut digester = bootwright_image::Digester::default();
    tree.iter().for_each(|(path, _)| digester.update(path.as_bytes()));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digester.finish().0[..16]);
    Guid::seeded(bytes).ordered()
}
