//! The digest of what a guest sees, and the bar that shows how far it is.
//!
//! The *content digest* is BLAKE3 over the BLAKE3 digests of all pieces of 256 KiB, in order; the last may
//! be shorter. So it is computed on all cores while a disk goes through them, and holes cost nothing. It is BLAKE3 and
//! not SHA-256, which everything that boots is pinned by, because nobody trusts it: it tells a copy from its original,
//! and SHA-256 was what a conversion spent most of its time on.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal as _;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bootwright_formats::disk::Watch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A piece. [`BATCH`](bootwright_formats::disk::BATCH) is a multiple of it.
pub const PIECE: u64 = 256 << 10;

/// Of a piece, or of a whole disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest(blake3::Hash);

impl ContentDigest {
    /// Of one piece.
    pub fn of(piece: &[u8]) -> Self {
        Self(blake3::hash(piece))
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", self.0)
    }
}

/// Watches a disk go through.
pub struct Progress {
    size: u64,
    /// Of every piece that was data, by its number.
    pieces: Mutex<BTreeMap<u64, ContentDigest>>,
    bar: ProgressBar,
}

impl Progress {
    /// For a disk of `size` bytes; the bar shows on a terminal only.
    pub fn new(size: u64, what: &str) -> Self {
        let bar = ProgressBar::new(size);
        let terminal = std::io::stderr().is_terminal();
        bar.set_draw_target(if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what.to_owned());
        Self { size, pieces: Mutex::default(), bar }
    }

    /// Takes the bar away and gives the content digest.
    pub fn finish(self) -> ContentDigest {
        self.finish_with_pieces().0
    }

    /// As [`finish`](Self::finish), with the digests of the pieces that held data.
    pub fn finish_with_pieces(self) -> (ContentDigest, BTreeMap<u64, ContentDigest>) {
        self.bar.finish_and_clear();
        let pieces = self.pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
        let zeros = vec![0; PIECE as usize];
        let whole = ContentDigest::of(&zeros);
        let mut hasher = blake3::Hasher::new();
        for number in 0..self.size.div_ceil(PIECE) {
            let length = PIECE.min(self.size - number * PIECE);
            let zero = || match length {
                PIECE => whole,
                _ => ContentDigest::of(zeros.get(..length as usize).unwrap_or_default()),
            };
            hasher.update(pieces.get(&number).copied().unwrap_or_else(zero).0.as_bytes());
        }
        (ContentDigest(hasher.finalize()), pieces)
    }
}

impl Watch for Progress {
    fn data(&self, offset: u64, bytes: &[u8]) {
        let digests: Vec<ContentDigest> = bytes.chunks(PIECE as usize).map(ContentDigest::of).collect();
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).extend((offset / PIECE..).zip(digests));
        self.bar.inc(bytes.len() as u64);
    }

    fn zeros(&self, range: Range<u64>) {
        self.bar.inc(range.end - range.start);
    }
}
