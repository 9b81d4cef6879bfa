//! VHDX; its checksums are set right, so that what is behind them is reached.

use std::io::Cursor;

use bootwright_formats::disk::{Format, Options, vhdx};

use super::{Sparse, content, walk};

/// See [`walk`].
pub fn target(data: &[u8]) {
    let mut image = Sparse::unpack(data);
    for (at, length) in [(64 << 10, 4096), (128 << 10, 4096), (192 << 10, 64 << 10), (256 << 10, 64 << 10)] {
        image.change(at, length, seal);
    }
    // The first entry of the log.
    image.change(1 << 20, 8192, seal);
    walk(image, Format::Vhdx);
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let mut image = Cursor::new(Vec::new());
    // Writing to memory does not fail; an empty seed fails the test of the seeds.
    let _ = vhdx::write(&content(), &mut image, vhdx::Kind::Dynamic, &Options::new("seed"), &());
    Sparse::pack(image.get_ref())
}

fn seal(bytes: &mut [u8]) {
    bytes.iter_mut().skip(4).take(4).for_each(|byte| *byte = 0);
    let sum = crc32c::crc32c(bytes).to_le_bytes();
    bytes.iter_mut().skip(4).zip(sum).for_each(|(to, from)| *to = from);
}
