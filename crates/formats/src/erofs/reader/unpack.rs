//! Compressed data. Zeros come before it, which no compressor's data begins with; images of before
//! Linux 5.4 (`-Elegacy-compress`) have them behind it, LZ4 alone.
//!
//! An extent may be the beginning of what its data unpacks to (`dedupe`), so every decoder stops when it has
//! enough.

use std::io::{self, Read};

use lzma_rust2::LzmaReader;

use super::Volume;
use super::error::{Error, Result};
use super::index::{MAX_EXTENT, Packed};
use crate::erofs::disk::INCOMPAT_ZERO_PADDING;

/// The largest window of Zstandard, as a logarithm: no extent is longer (12 MiB). It bounds the decoder's memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 24;

/// The `size` bytes that `packed` unpacks to, or begins with.
pub(super) fn unpack(volume: &Volume, packed: &Packed, size: usize) -> Result<Vec<u8>> {
    let Packed { at, length, algorithm } = *packed;
    let bytes = volume.bytes(at, length)?;
    let padded = volume.superblock.incompat & INCOMPAT_ZERO_PADDING != 0;
    let zeros = if padded { bytes.iter().take_while(|byte| **byte == 0).count() } else { 0 };
    let input = bytes.get(zeros..).unwrap_or_default();
    let (name, unpacked) = match algorithm {
        0 => ("LZ4", lz4(input, size)),
        1 => ("LZMA", micro_lzma(input, size)),
        2 => ("deflate", exactly(flate2::read::DeflateDecoder::new(input), size)),
        3 => ("Zstandard", zstandard(input, size)),
        other => {
            let what = format!("compressor {other}");
            return Err(Error::Unsupported { what, offset: at });
        }
    };
    unpacked.map_err(|source| Error::Packed { algorithm: name, offset: at, length, source })
}

/// `size` bytes out of a reader, no more of which are taken.
fn exactly(reader: impl Read, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size);
    reader.take(size as u64).read_to_end(&mut bytes)?;
    if bytes.len() < size {
        let text = format!("{} bytes come out of it, there should be {size}", bytes.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(bytes)
}

fn zstandard(input: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    exactly(decoder, size)
}

/// LZMA as MicroLZMA of liblzma has it: the first byte, which is always 0, gives way to the complement of the
/// properties.
fn micro_lzma(input: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let (first, rest) = input.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
    // What lies further back than the extent is long cannot be meant.
    let window = size.min(MAX_EXTENT as usize) as u32;
    let stream = io::Cursor::new([0]).chain(rest);
    exactly(LzmaReader::new_with_props(stream, size as u64, !first, window, None)?, size)
}

/// An LZ4 block, up to `size` bytes out of it: crates unpack whole blocks only.
///
/// ```text
/// sequence:  token (literals, match − 4: 4 bits each, 15: bytes follow, up to one below 255) │ more literals │ literals │
///            distance u16 │ more match            the last sequence ends with its literals
/// ```
fn lz4(input: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(size);
    let mut rest = input;
    while out.len() < size {
        let token = usize::from(next(&mut rest)?);
        let literals = more(token >> 4, &mut rest)?.min(size - out.len());
        out.extend(take(&mut rest, literals)?);
        if out.len() == size {
            break;
        }
        let distance = take(&mut rest, 2)?.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let length = (more(token & 15, &mut rest)? + 4).min(size - out.len());
        repeat(&mut out, distance, length)?;
    }
    Ok(out)
}

/// Appends `length` bytes from `distance` bytes before the end on, some of which it may have appended itself.
fn repeat(out: &mut Vec<u8>, distance: usize, length: usize) -> io::Result<()> {
    let start = out.len().checked_sub(distance).filter(|start| *start < out.len());
    let start = start.ok_or_else(|| broken("a match before the beginning"))?;
    let mut left = length;
    while left > 0 {
        let count = left.min(out.len() - start);
        out.extend_from_within(start..start + count);
        left -= count;
    }
    Ok(())
}

/// A length of four bits, and the bytes that follow when it is 15.
fn more(nibble: usize, rest: &mut &[u8]) -> io::Result<usize> {
    let mut length = nibble;
    if nibble == 15 {
        loop {
            let byte = next(rest)?;
            length += usize::from(byte);
            if byte < 255 {
                break;
            }
        }
    }
    Ok(length)
}

fn next(rest: &mut &[u8]) -> io::Result<u8> {
    let (first, behind) = rest.split_first().ok_or_else(|| broken("the data ends too early"))?;
    *rest = behind;
    Ok(*first)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> io::Result<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count).ok_or_else(|| broken("the data ends too early"))?;
    *rest = behind;
    Ok(taken)
}

fn broken(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
