//! The digest of what a guest sees, and the bar that shows how far it is.
//!
//! The *content digest* is SHA-256 over the SHA-256 digests of all pieces of 256 KiB, in order; the last may
//! be shorter. So it is computed on all cores while a disk goes through them, and holes cost nothing.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bootwright_formats::disk::Watch;
use bootwright_image::{Digest, Digester};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A piece. [`BATCH`](bootwright_formats::disk::BATCH) is a multiple of it.
pub const PIECE: u64 = 256 << 10;

/// Watches a disk go through.
pub struct Progress {
    size: u64,
    /// Of every piece that was data, by its number.
    pieces: Mutex<BTreeMap<u64, Digest>>,
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
    pub fn finish(self) -> Digest {
        self.finish_with_pieces().0
    }

    /// As [`finish`](Self::finish), with the digests of the pieces that held data.
    pub fn finish_with_pieces(self) -> (Digest, BTreeMap<u64, Digest>) {
        self.bar.finish_and_clear();
        let pieces = self.pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
        let zeros = vec![0; PIECE as usize];
        let whole = Digest::of(&zeros);
        let mut digester = Digester::default();
        for number in 0..self.size.div_ceil(PIECE) {
            let length = PIECE.min(self.size - number * PIECE);
            let zero = || match length {
                PIECE => whole,
                _ => Digest::of(zeros.get(..length as usize).unwrap_or_default()),
            };
            digester.update(&pieces.get(&number).copied().unwrap_or_else(zero).0);
        }
        (digester.finish(), pieces)
    }
}

impl Watch for Progress {
    fn data(&self, offset: u64, bytes: &[u8]) {
        let digests: Vec<Digest> = bytes.chunks(PIECE as usize).map(Digest::of).collect();
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).extend((offset / PIECE..).zip(digests));
        self.bar.inc(bytes.len() as u64);
    }

    fn zeros(&self, range: Range<u64>) {
        self.bar.inc(range.end - range.start);
    }
}
