//! VMDK: sparse extents, streams, descriptors.

use std::io::Cursor;

use bootwright_formats::disk::{Format, Options, vmdk};

use super::{Sparse, content, walk};

/// See [`walk`].
pub fn target(data: &[u8]) {
    walk(Sparse::unpack(data), Format::Vmdk);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = vmdk::Descriptor::parse(text, 0);
    }
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let mut image = Cursor::new(Vec::new());
    let name = vmdk::Description::new("seed.vmdk");
    // Writing to memory does not fail; an empty seed fails the test of the seeds.
    let _ = vmdk::write_sparse(&content(), &mut image, &name, &Options::new("seed"), &());
    Sparse::pack(image.get_ref())
}

/// A valid input with compressed grains.
pub fn stream() -> Vec<u8> {
    let mut image = Vec::new();
    let name = vmdk::Description::new("seed.vmdk");
    // As above.
    let _ = vmdk::write_stream(&content(), &mut image, &name, &Options::new("seed"), &());
    Sparse::pack(&image)
}
