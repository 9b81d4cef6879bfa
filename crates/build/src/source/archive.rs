//! Tar archives on the host, plain or compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bootwright_formats::compression::Compression;

/// How much memory an unpacker's input is read in at once.
const BUFFER: usize = 1 << 20;

/// Why an archive cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read.
    #[error("reading {path} failed")]
    Read {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be unpacked.
    #[error("{path} cannot be unpacked as {compression}")]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// What its first bytes say it is.
        compression: Compression,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Writing the unpacked archive failed.
    #[error("writing {path} failed")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How the archive is compressed, by its first bytes.
pub fn compression(path: &Path) -> Result<Compression, ArchiveError> {
    let mut head = [0; 2];
    let read = File::open(path).and_then(|mut file| file.read(&mut head));
    let count = read.map_err(|source| ArchiveError::Read { path: path.to_owned(), source })?;
    Ok(Compression::detect(head.get(..count).unwrap_or_default()))
}

/// Unpacks the compressed archive `path` to the plain tar `to`.
pub fn decompress(path: &Path, to: &Path) -> Result<(), ArchiveError> {
    let file = File::open(path).map_err(|source| ArchiveError::Read { path: path.to_owned(), source })?;
    decompress_stream(BufReader::with_capacity(BUFFER, file), path, to)
}

/// Unpacks every stream that follows another in `source`, which is (part of) `path`.
pub(super) fn decompress_stream(
    mut source: impl BufRead,
    path: &Path,
    to: &Path,
) -> Result<(), ArchiveError> {
    let write_error = |source| ArchiveError::Write { path: to.to_owned(), source };
    let mut out = BufWriter::with_capacity(BUFFER, File::create(to).map_err(write_error)?);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read_error = |source| ArchiveError::Read { path: path.to_owned(), source };
        let head = source.fill_buf().map_err(read_error)?;
        if head.is_empty() {
            break;
        }
        let compression = Compression::detect(head);
        let unpack_error = |source| ArchiveError::Unpack { path: path.to_owned(), compression, source };
        let mut decoder = compression.decoder(source).map_err(unpack_error)?;
        loop {
            let count = decoder.read(&mut buffer).map_err(unpack_error)?;
            if count == 0 {
                break;
            }
            out.write_all(buffer.get(..count).unwrap_or_default()).map_err(write_error)?;
        }
        let Some(rest) = decoder.into_inner() else { break };
        source = rest;
    }
    out.flush().map_err(write_error)
}
