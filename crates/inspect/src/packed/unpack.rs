//! A whole file unpacked: in memory while it is small, else in a file without a name, zeros as holes.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_formats::FileBytes;
use bootwright_formats::compression::{Bounds, Unpacked as Done, Whole, write_sparse};
use tempfile::SpooledData;

use crate::source::{Source, Stream};

/// What is kept in memory, in bytes: configurations, kernels and initrds.
const MEMORY: usize = 32 << 20;

/// The most bytes that are no zeros, so that a file made to harm does not fill the disk.
const STORED: u64 = 16 << 30;

/// What came out of a compressed file.
pub(super) struct Unpacked {
    /// All of it, or what came before a fault.
    pub(super) inside: Source,
    pub(super) end: End,
}

/// How far unpacking came.
pub(super) enum End {
    Whole,
    /// It has more bytes than were asked for; those are not kept.
    TooLarge,
    /// It is cut off or damaged, near this offset of the compressed file.
    Broken {
        offset: u64,
        error: io::Error,
    },
}

/// Unpacks `source`, which may become `limit` bytes.
pub(super) fn unpack(source: &Source, limit: u64) -> io::Result<Unpacked> {
    let mut spool = tempfile::spooled_tempfile_in(MEMORY, directory());
    let mut stream = Stream::whole(Arc::clone(source));
    let mut done = Done::default();
    let bounds = Bounds { size: limit, stored: limit.min(STORED) };
    let written = write_sparse(&mut Whole::new(&mut stream), &mut spool, bounds, &mut done);
    let end = match written {
        Ok(()) => End::Whole,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return Ok(Unpacked { inside: Arc::new(Vec::new()), end: End::TooLarge });
        }
        Err(error) if error.raw_os_error().is_some() => return Err(error),
        Err(error) => End::Broken { offset: stream.position().min(source.size()), error },
    };
    spool.set_len(done.size)?;
    let inside: Source = match spool.into_inner() {
        SpooledData::InMemory(bytes) => Arc::new(bytes.into_inner()),
        SpooledData::OnDisk(file) => Arc::new(FileBytes::new(file)?),
    };
    Ok(Unpacked { inside, end })
}

/// Where large files go for a while: file-hierarchy(7) has /var/tmp for them, /tmp may be memory.
fn directory() -> PathBuf {
    let large = PathBuf::from("/var/tmp");
    if std::env::var_os("TMPDIR").is_none() && large.is_dir() { large } else { std::env::temp_dir() }
}
