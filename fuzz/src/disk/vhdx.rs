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

/// Where our writer puts the log and the BAT.
const LOG: usize = 1 << 20;
const BAT: usize = 3 << 20;

/// A valid input.
pub fn seed() -> Vec<u8> {
    Sparse::pack(&image())
}

/// A valid input whose log writes the first sector of the BAT as it is.
pub fn logged() -> Vec<u8> {
    let mut image = image();
    let guid = [7; 16];
    let sector: Vec<u8> = image.iter().skip(BAT).take(4096).copied().collect();
    let part = |from: usize, to: usize| sector.get(from..to).unwrap_or_default();
    let size = (image.len() as u64).to_le_bytes();
    let fields: [(usize, &[u8]); 16] = [
        ((64 << 10) + 48, &guid),
        ((128 << 10) + 48, &guid),
        (LOG, b"loge"),
        (LOG + 8, &8192u32.to_le_bytes()),
        (LOG + 16, &[5]),
        (LOG + 24, &[1]),
        (LOG + 32, &guid),
        (LOG + 48, &size),
        (LOG + 56, &size),
        (LOG + 64, b"desc"),
        (LOG + 68, part(4092, 4096)),
        (LOG + 72, part(0, 8)),
        (LOG + 80, &(BAT as u64).to_le_bytes()),
        (LOG + 88, &[5]),
        (LOG + 4096, b"data"),
        (LOG + 4096 + 8, part(8, 4092)),
    ];
    for (at, value) in fields {
        image.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = *from);
    }
    image.iter_mut().skip(LOG + 8188).take(1).for_each(|byte| *byte = 5);
    let mut sparse = Sparse::unpack(&Sparse::pack(&image));
    sparse.change(64 << 10, 4096, seal);
    sparse.change(128 << 10, 4096, seal);
    sparse.change(LOG as u64, 8192, seal);
    sparse.repack()
}

fn image() -> Vec<u8> {
    let mut image = Cursor::new(Vec::new());
    // Writing to memory does not fail; an empty seed fails the test of the seeds.
    let _ = vhdx::write(&content(), &mut image, vhdx::Kind::Dynamic, &Options::new("seed"), &());
    image.into_inner()
}

fn seal(bytes: &mut [u8]) {
    bytes.iter_mut().skip(4).take(4).for_each(|byte| *byte = 0);
    let sum = crc32c::crc32c(bytes).to_le_bytes();
    bytes.iter_mut().skip(4).zip(sum).for_each(|(to, from)| *to = from);
}
