//! Compressed pieces. Each is a stream of its own.

use std::io::{self, Read};

use super::Volume;
use super::error::{Error, Result};
use super::superblock::Compressor;

/// The largest window of Zstandard, as a logarithm: no block is longer than 1 MiB. It bounds the decoder's memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 20;
/// KiB that an xz decoder may take: dictionaries are as large as blocks, at most 1 MiB.
const XZ_MEMORY_KIB: u32 = 16 << 10;

/// What `length` bytes at `offset` unpack to: at most `limit` bytes.
pub(super) fn unpack(volume: &Volume, offset: u64, length: usize, limit: usize) -> Result<Vec<u8>> {
    let input = volume.bytes(offset, length)?;
    let unpacked = match volume.superblock.compressor {
        Compressor::Gzip => up_to(flate2::read::ZlibDecoder::new(input.as_slice()), limit),
        Compressor::Xz => {
            up_to(lzma_rust2::XzReader::new_mem_limit(input.as_slice(), false, XZ_MEMORY_KIB), limit)
        }
        Compressor::Lz4 => lz4(&input, limit),
        Compressor::Zstd => zstandard(&input, limit),
    };
    unpacked.map_err(|source| Error::Packed { offset, length, source })
}

fn up_to(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        let text = format!("more than {limit} bytes come out of it");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(bytes)
}

fn zstandard(input: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    up_to(decoder, limit)
}

fn lz4(input: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; limit];
    let length = lz4_flex::block::decompress_into(input, &mut bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    bytes.truncate(length);
    Ok(bytes)
}
