//! Compressed streams: gzip, xz, Zstandard, LZ4, alone and one after the other.

use std::io::{Cursor, Read as _, Write as _};

use bootwright_formats::compression::{Bounds, Compression, Unpacked, Whole, write_sparse};

/// The most that is unpacked.
const BOUNDS: Bounds = Bounds { size: 1 << 20, stored: 1 << 19 };

/// Unpacking ends within its bounds.
pub fn target(data: &[u8]) {
    let (mut to, mut done) = (Cursor::new(Vec::new()), Unpacked::default());
    let _ = write_sparse(&mut Whole::new(data), &mut to, BOUNDS, &mut done);
    assert!(done.size <= BOUNDS.size && done.stored <= BOUNDS.stored && done.stored <= done.size);
    assert!(to.get_ref().len() as u64 <= done.size);
    for compression in [Compression::detect(data), Compression::Lz4Legacy] {
        if let Ok(decoder) = compression.decoder(data) {
            let _ = decoder.take(BOUNDS.size).read_to_end(&mut Vec::new());
        }
    }
}

/// A valid input: a stream of each, by gzip, xz, zstd, and by our encoder of LZ4.
pub fn seed() -> Vec<u8> {
    let mut lz4 = Vec::new();
    // Writing to memory does not fail; a seed without it fails the test below.
    if let Ok(mut encoder) = Compression::Lz4Legacy.encoder(&mut lz4, 1) {
        let _ = encoder.write_all(b"some text, some text again");
        let _ = encoder.finish();
    }
    let streams: [&[u8]; 4] = [
        include_bytes!("../corpus/inspect/kernel.gz"),
        include_bytes!("../corpus/inspect/kernel.xz"),
        include_bytes!("../corpus/inspect/kernel.zst"),
        &lz4,
    ];
    streams.join(&[0; 8][..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_three_times_the_text_and_another() {
        let mut text = String::new();
        Whole::new(seed().as_slice()).read_to_string(&mut text).unwrap();
        let numbers: String = (1..=40).map(|number| format!("{number}\n")).collect();
        assert_eq!(text, numbers.repeat(3) + "some text, some text again");
    }
}
