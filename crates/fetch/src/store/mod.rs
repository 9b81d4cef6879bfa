//! Where verified bytes go.

mod file;
mod in_order;
mod read_only;
mod set;
mod sparse;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

pub use file::FileStore;
pub use in_order::{Arriving, InOrder};
pub use read_only::ReadOnly;
pub use set::FileSet;

/// A place for one file. All calls may block and come from worker threads, several at a time, for
/// ranges that do not overlap.
pub trait Store: Send + Sync {
    /// Its path, for messages.
    fn name(&self) -> &str;

    /// Makes room for `size` bytes; what is beyond is cut off, what is new reads as zeros.
    fn resize(&self, size: u64) -> io::Result<()>;

    /// Bytes that lie here from an earlier attempt.
    fn size(&self) -> io::Result<u64>;

    /// Whether nothing was ever written in `range`: it reads as zeros without being read.
    fn is_hole(&self, range: Range<u64>) -> io::Result<bool>;

    /// Fills `buffer` from `offset`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes `pieces`, one after the other, from `offset` on.
    fn write_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()>;

    /// Makes `range` read as zeros, taking no room where that is possible.
    fn write_zeros(&self, range: Range<u64>) -> io::Result<()>;

    /// Called once, when every byte is there: makes the file durable and gives it its name.
    fn complete(&self) -> io::Result<()>;
}

/// Makes the name of `path` last.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
