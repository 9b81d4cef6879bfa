//! A file on this machine.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bootwright_formats::{FileBytes, ReadAt as _, Shared};
use bytes::Bytes;
use futures_util::stream;

use super::{Body, BoxFuture, Source};
use crate::error::{Cause, Failure};
use crate::schedule::Ranges;

/// Bytes per read: large enough to make the change of threads cheap, small enough to stay in a cache.
const PIECE: u64 = 256 << 10;

/// Priority of a local file: it is asked before any network.
const PRIORITY: u8 = 0;

/// Bytes on this machine: an earlier copy of the image, a partition, a file of a stick.
pub struct FileSource {
    name: String,
    bytes: Shared,
}

impl FileSource {
    /// Opens `path` for reading.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let bytes = FileBytes::new(File::open(path)?)?;
        Ok(Self::new(path.display().to_string(), Arc::new(bytes)))
    }

    /// Takes bytes that can be read already; `name` is what messages call them.
    pub fn new(name: impl Into<String>, bytes: Shared) -> Self {
        Self { name: name.into(), bytes }
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn priority(&self) -> u8 {
        PRIORITY
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>> {
        let file = Arc::clone(&self.bytes);
        let name = self.name.clone();
        let bytes = stream::unfold((file, name, range), |(file, name, range)| async move {
            if range.is_empty() {
                return None;
            }
            let piece = range.start..range.end.min(range.start + PIECE);
            let at = piece.start;
            let reader = file.clone();
            let read = tokio::task::spawn_blocking(move || read_piece(&reader, piece)).await;
            let read = read.unwrap_or_else(|died| Err(io::Error::other(died)));
            Some(match read {
                Ok(bytes) => {
                    let rest = range.start + bytes.len() as u64..range.end;
                    (Ok(bytes), (file, name, rest))
                }
                Err(error) => {
                    let failure = Failure {
                        source_name: name.clone().into(),
                        address: None,
                        offset: Some(at),
                        cause: Cause::Io(error),
                    };
                    (Err(failure), (file, name, 0..0))
                }
            })
        });
        Box::pin(async move { Ok(Body { ranges: Ranges::Honoured, address: None, bytes: Box::pin(bytes) }) })
    }
}

fn read_piece(file: &Shared, range: Range<u64>) -> io::Result<Bytes> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_exact_at(range.start, &mut bytes)?;
    Ok(bytes.into())
}
