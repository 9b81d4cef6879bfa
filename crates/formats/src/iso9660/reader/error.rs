use std::io;

use crate::iso9660::MAX_DEPTH;

/// Why an image or a directory of it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// The image failed, or ends early.
    #[error("ISO 9660: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: io::Error,
    },
    /// Another kind of image.
    #[error("no ISO 9660 image: there is no primary volume descriptor (\"CD001\" at offset 32769)")]
    Absent,
    /// A disc of UDF alone.
    #[error("this is a UDF image without ISO 9660, which is recognised and not read")]
    UdfOnly,
    /// A structure that cannot be.
    #[error("ISO 9660: {problem} at offset {offset}")]
    Damaged {
        /// What is wrong.
        problem: String,
        /// Where.
        offset: u64,
    },
    /// Directories that lead back to their parents.
    #[error("ISO 9660: directories inside {0:?} are deeper than {MAX_DEPTH}, or lead back to their parents")]
    Depth(String),
}
