//! VHD; its checksums are set right, so that what is behind them is reached.

use std::io::Cursor;

use bootwright_formats::ReadAt as _;
use bootwright_formats::disk::{Format, Options, vhd};

use super::{Sparse, content, walk};

/// See [`walk`].
pub fn target(data: &[u8]) {
    walk(Sparse::unpack(data), Format::Vhd);
    let mut image = Sparse::unpack(data);
    let end = image.size() / 512 * 512;
    image.change(end.saturating_sub(512), 512, |footer| seal(footer, 64));
    image.change(0, 512, |footer| seal(footer, 64));
    image.change(512, 1024, |header| seal(header, 36));
    walk(image, Format::Vhd);
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let mut image = Cursor::new(Vec::new());
    // Writing to memory does not fail; an empty seed fails the test of the seeds.
    let _ = vhd::write(&content(), &mut image, vhd::Kind::Dynamic, &Options::new("seed"), &());
    Sparse::pack(image.get_ref())
}

fn seal(bytes: &mut [u8], field: usize) {
    let sum = |bytes: &[u8]| !bytes.iter().fold(0u32, |sum, &byte| sum.wrapping_add(u32::from(byte)));
    bytes.iter_mut().skip(field).take(4).for_each(|byte| *byte = 0);
    let sum = sum(bytes).to_be_bytes();
    bytes.iter_mut().skip(field).zip(sum).for_each(|(to, from)| *to = from);
}
