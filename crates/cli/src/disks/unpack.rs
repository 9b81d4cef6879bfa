//! Compressed images. Readers of disks jump about, streams do not: so a `.gz`, `.xz` or `.zst` is unpacked
//! into a file without a name first, with its zeros as holes. It lies beside the output, where there has to
//! be room for the disk anyway, and is gone with the process.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use bootwright_formats::compression::{Compression, Whole};
use bootwright_formats::disk::Source;
use bootwright_formats::{FileBytes, ReadAt};

/// What is searched for zeros at once: a block of most file systems is 16 times in it.
const PIECE: usize = 64 << 10;

/// How the file is compressed.
pub fn compression(source: &Source) -> io::Result<Compression> {
    let mut head = [0; 6];
    let length = source.bytes.size().min(6) as usize;
    if let Some(head) = head.get_mut(..length) {
        source.bytes.read_exact_at(0, head)?;
    }
    Ok(Compression::detect_file(&head))
}

/// Unpacks `source` into `directory`.
pub fn unpack(source: &Source, directory: &Path) -> io::Result<Source> {
    let mut spool = tempfile::tempfile_in(directory)?;
    let packed = BufReader::with_capacity(1 << 20, Stream { bytes: &*source.bytes, at: 0 });
    let size = copy(Whole::new(packed), &mut spool)?;
    spool.set_len(size)?;
    Ok(Source { name: source.name.clone(), bytes: Arc::new(FileBytes::new(spool)?) })
}

/// Copies all, zeros as holes; gives the number of bytes.
fn copy(mut from: impl Read, to: &mut File) -> io::Result<u64> {
    let mut piece = Vec::with_capacity(PIECE);
    let mut size = 0;
    loop {
        piece.clear();
        from.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok(size);
        }
        for block in piece.chunks(4096) {
            if block.iter().any(|&byte| byte != 0) {
                to.seek(SeekFrom::Start(size))?;
                to.write_all(block)?;
            }
            size += block.len() as u64;
        }
    }
}

/// Bytes from front to back.
struct Stream<'a> {
    bytes: &'a dyn ReadAt,
    at: u64,
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read_at(self.at, buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}
