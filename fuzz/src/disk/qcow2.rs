//! qcow2, plain and compressed.

use std::io::Cursor;

use bootwright_formats::disk::{Format, Options, qcow2};

use super::{Sparse, content, walk};

/// See [`walk`].
pub fn target(data: &[u8]) {
    walk(Sparse::unpack(data), Format::Qcow2);
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    write(None)
}

/// A valid input with compressed clusters.
pub fn compressed() -> Vec<u8> {
    write(Some(qcow2::CompressionType::Zstd))
}

fn write(compression: Option<qcow2::CompressionType>) -> Vec<u8> {
    let mut image = Cursor::new(Vec::new());
    // Writing to memory does not fail; an empty seed fails the test of the seeds.
    let _ = qcow2::write(&content(), &mut image, compression, &Options::new("seed"), &());
    Sparse::pack(image.get_ref())
}
