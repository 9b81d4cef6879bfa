use std::io;

use crate::fat::MAX_DEPTH;

/// Why a volume or a file in it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    /// The volume failed.
    #[error("FAT: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: io::Error,
    },
    /// Another kind of first sector.
    #[error("no FAT volume: {field} at offset {offset} is {value}")]
    Absent {
        /// The field of the specification.
        field: &'static str,
        /// Where it is.
        offset: u64,
        /// What it says.
        value: u64,
    },
    /// A chain of clusters that does not lead to its end.
    #[error("FAT: the clusters of {name:?} {problem} (entry of the table at offset {offset})")]
    Chain {
        /// The file or directory.
        name: String,
        /// What is wrong.
        problem: String,
        /// Where in the volume, in bytes.
        offset: u64,
    },
    /// A directory of more than [`MAX_DIRECTORY`](crate::fat::MAX_DIRECTORY) bytes.
    #[error("FAT: the directory {0:?} has more than 65536 entries")]
    Directory(String),
    /// Directories deeper than any path can name.
    #[error("FAT: directories inside {0:?} are deeper than {MAX_DEPTH}, or lead back to their parents")]
    Depth(String),
}
