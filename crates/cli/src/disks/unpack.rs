//! Compressed images. Readers of disks jump about, streams do not: so a `.gz`, `.xz` or `.zst` is unpacked
//! into a file without a name first, with its zeros as holes. It lies beside the output, where there has to
//! be room for the disk anyway, and is gone with the process.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use bootwright_formats::compression::{Bounds, Compression, Unpacked, Whole, write_sparse};
use bootwright_formats::disk::Source;
use bootwright_formats::{FileBytes, ReadAt};

/// How the file is compressed.
pub fn compression(source: &Source) -> io::Result<Compression> {
    let mut head = [0; 6];
    let length = source.bytes.size().min(6) as usize;
    if let Some(head) = head.get_mut(..length) {
        source.bytes.read_exact_at(0, head)?;
    }
    Ok(Compression::detect_file(&head))
}

/// Unpacks `source` into `directory`: as much as there is room for, since the caller needs all of it.
pub fn unpack(source: &Source, directory: &Path) -> io::Result<Source> {
    let mut spool = tempfile::tempfile_in(directory)?;
    let packed = BufReader::with_capacity(1 << 20, Stream { bytes: &*source.bytes, at: 0 });
    let bounds = Bounds { size: i64::MAX as u64, stored: u64::MAX };
    let mut done = Unpacked::default();
    write_sparse(&mut Whole::new(packed), &mut spool, bounds, &mut done)?;
    spool.set_len(done.size)?;
    Ok(Source { name: source.name.clone(), bytes: Arc::new(FileBytes::new(spool)?) })
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
