//! Which compressions of an initrd a kernel was built with, told from its unpacked payload.
//!
//! A kernel's own configuration (`CONFIG_IKCONFIG`) is seldom in it, but each unpacker of Linux
//! (`lib/decompress_*.c`) brings messages of its own, which stand in `vmlinux` when it was built in.

use std::io::{self, BufReader, Read};

use bootwright_formats::compression::Compression;

use crate::bytes::read;
use crate::source::{Source, Stream};

/// A message of each unpacker that no other part of Linux has.
const MESSAGES: [(&str, &[u8]); 5] = [
    ("gzip", b"Out of memory while allocating z_stream"),
    ("xz", b"XZ-compressed data is corrupt"),
    ("zstd", b"ZSTD-compressed data is corrupt"),
    ("lz4", b"chunk length is longer than allocated"),
    ("bzip2", b"Data integrity error when decompressing"),
];

/// The longest message.
const LONGEST: usize = 64;

/// The largest `vmlinux` that is unpacked: those of distributions have 50 to 100 MiB.
const MAX_VMLINUX: u64 = 512 << 20;

/// The compressions; `None` when the payload is of a kind that cannot be unpacked here.
pub(super) fn of(payload: &Source) -> io::Result<Option<Vec<String>>> {
    let magic = read(payload, 0, 8)?;
    let compression = Compression::detect(&magic.0);
    if compression == Compression::None || !compression.can_decode() {
        return Ok(None);
    }
    let decoder = compression.decoder(Stream::whole(payload.clone()))?;
    search(&mut BufReader::new(decoder.take(MAX_VMLINUX))).map(Some)
}

fn search(vmlinux: &mut impl Read) -> io::Result<Vec<String>> {
    let mut found = [false; MESSAGES.len()];
    let mut window = Vec::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = vmlinux.read(&mut piece)?;
        if count == 0 {
            break;
        }
        window.extend_from_slice(piece.get(..count).unwrap_or_default());
        for ((_, message), found) in MESSAGES.iter().zip(&mut found).filter(|(_, found)| !**found) {
            *found = contains(&window, message);
        }
        window.drain(..window.len().saturating_sub(LONGEST));
    }
    let names = MESSAGES.iter().zip(found).filter(|(_, found)| *found);
    Ok(names.map(|((name, _), _)| (*name).to_owned()).collect())
}

/// Whether `bytes` has `wanted`: by the first byte, which most places have not.
fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    let Some(first) = wanted.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(wanted) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_wherever_a_piece_ends() {
        let mut vmlinux = vec![b'Z'; (1 << 20) - 10];
        vmlinux.extend_from_slice(b"ZSTD-compressed data is corrupt\0");
        assert_eq!(search(&mut vmlinux.as_slice()).unwrap(), ["zstd"]);
        assert!(search(&mut [b'Z'; 100].as_slice()).unwrap().is_empty());
    }
}
