//! Whole initrds, compressed segments included.

use std::io;

use bootwright_formats::compression::Compression;
use bootwright_formats::initrd::Reader;

/// The most that an input may unpack to: as much as a run may take of time.
const LIMIT: u64 = 1 << 20;

/// Segments follow each other and lie within the input; the limit holds.
pub fn target(data: &[u8]) {
    let mut reader = Reader::with_limit(data, LIMIT);
    while let Ok(Some(mut entry)) = reader.next_entry() {
        let _ = io::copy(&mut *entry, &mut io::sink());
    }
    let mut end = 0;
    for segment in reader.segments() {
        assert!(segment.offset >= end);
        end = segment.offset + segment.length;
    }
    assert!(end <= data.len() as u64);
    let unpacked = |segment: &bootwright_formats::initrd::Segment| match segment.compression {
        Compression::None => 0,
        _ => segment.unpacked,
    };
    assert!(reader.segments().iter().map(unpacked).sum::<u64>() <= LIMIT);
}

/// A valid input: a segment of every compression that is read.
pub fn seed() -> Vec<u8> {
    let mut initrd = crate::cpio::seed();
    for compression in [Compression::Gzip, Compression::Xz, Compression::Lz4Legacy, Compression::Zstd] {
        let packed = compression.encoder(Vec::new(), 1).and_then(|mut encoder| {
            io::Write::write_all(&mut encoder, &crate::cpio::seed())?;
            encoder.finish()
        });
        initrd.extend(packed.unwrap_or_default());
        initrd.extend([0; 8]);
    }
    initrd
}
