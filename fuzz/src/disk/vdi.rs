//! VDI.

use std::io::Cursor;

use bootwright_formats::disk::{Format, Options, vdi};

use super::{Sparse, content, walk};

/// See [`walk`].
pub fn target(data: &[u8]) {
    walk(Sparse::unpack(data), Format::Vdi);
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let mut image = Cursor::new(Vec::new());
    // Writing to memory does not fail; an empty seed fails the test of the seeds.
    let _ = vdi::write(&content(), &mut image, vdi::ImageType::Dynamic, &Options::new("seed"), &());
    Sparse::pack(image.get_ref())
}
