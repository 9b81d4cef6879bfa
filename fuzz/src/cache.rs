//! Headers of the cache partition.

use bootwright_formats::Guid;
use bootwright_formats::cache::{Generation, HEADER_SIZE, Header, State};

/// Bytes of the partition.
const SIZE: u64 = 64 << 20;

/// What is read lies in the partition, and is written as it was. The checksum is made right, so that what is behind
/// it is reached.
pub fn target(data: &[u8]) {
    let _ = Header::parse(data, SIZE);
    let mut bytes = data.to_vec();
    bytes.resize(HEADER_SIZE, 0);
    let (content, checksum) = bytes.split_at_mut(HEADER_SIZE - 4);
    checksum.copy_from_slice(&crc32(content).to_le_bytes());
    let Ok(header) = Header::parse(&bytes, SIZE) else { return };
    for generation in &header.generations {
        assert!(generation.extent().end <= SIZE && generation.manifest_range().end <= SIZE);
    }
    assert_eq!(Header::parse(&header.encode(), SIZE), Ok(header));
}

/// CRC-32 of ISO 3309, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(u32::MAX, byte)
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let generation = |offset: u64, name| Generation {
        offset: offset << 20,
        root: 9 << 20,
        manifest: 40_000,
        state: State { complete: true, good: name == 1, entered: false },
        entered_at: 5,
        digest: [name; 32],
    };
    let generations = vec![generation(1, 1), generation(20, 2)];
    Header { sequence: 6, size: SIZE, guid: Guid::seeded([3; 16]), generations }.encode()
}
