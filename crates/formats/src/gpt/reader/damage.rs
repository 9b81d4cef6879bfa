//! What can be wrong with a table.

use std::fmt;
use std::io;

/// One of the two copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At the disk's start.
    Primary,
    /// At its end.
    Backup,
}

/// Something that is wrong with a table that can still be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which copy.
    pub side: Side,
    /// Where on the disk, in bytes.
    pub offset: u64,
    /// What it is.
    pub problem: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Primary => "primary",
            Side::Backup => "backup",
        };
        write!(f, "{side} GPT at byte {}: {}", self.offset, self.problem)
    }
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum GptError {
    /// The disk failed.
    #[error("GPT: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: io::Error,
    },
    /// No header at all.
    #[error("no GPT: neither the second nor the last sector begins with \"EFI PART\"")]
    Absent,
    /// Headers, but none that can be used.
    #[error("both copies of the GPT are damaged: {primary}; {backup}")]
    Damaged {
        /// The copy at the start.
        primary: Damage,
        /// The copy at the end.
        backup: Damage,
    },
}
