//! Filling a given room with compressed data.

use std::io::{self, Write as _};

use flate2::write::DeflateEncoder;

use super::cut::cut;
use super::{Algorithm, MAX_EXTENT};

/// The logarithm of zstd's window: eight physical clusters, as mkfs.erofs takes it. The kernel allocates
/// that much for every processor.
pub(in super::super) const ZSTD_WINDOW_LOG: u8 = 19;
/// How often the size that fits is guessed before the best guess so far is taken.
const GUESSES: usize = 8;
/// A cluster is full when less than one part in so many of it is left.
const NEARLY_FULL: usize = 2048;
/// Compressed data is guessed to be a third of what it was, until some of the segment is known.
const FIRST_GUESS: usize = 3;

/// A compressor with its settings and its memory.
pub(in super::super) struct Compressor {
    encoder: Encoder,
    /// Bytes in, bytes out of the cluster before.
    ratio: (usize, usize),
}

enum Encoder {
    Lz4 { level: i32 },
    Deflate { level: u32 },
    Zstd(Box<zstd::bulk::Compressor<'static>>),
}

/// Compressed data and how much of the input is in it.
#[derive(Debug, Default)]
pub(super) struct Fit {
    pub taken: usize,
    pub bytes: Vec<u8>,
}

impl Compressor {
    /// `level` as the compressor counts it.
    pub(in super::super) fn new(algorithm: Algorithm, level: i32) -> io::Result<Self> {
        let encoder = match algorithm {
            Algorithm::Lz4 => Encoder::Lz4 { level },
            Algorithm::Deflate => Encoder::Deflate { level: level.clamp(1, 9).unsigned_abs() },
            Algorithm::Zstd => {
                let mut encoder = zstd::bulk::Compressor::new(level)?;
                let window = zstd::zstd_safe::CParameter::WindowLog(ZSTD_WINDOW_LOG.into());
                encoder.set_parameter(window)?;
                Encoder::Zstd(Box::new(encoder))
            }
        };
        Ok(Self { encoder, ratio: (FIRST_GUESS, 1) })
    }

    /// Begins a new segment, which must not depend on the one before.
    pub(super) fn forget(&mut self) {
        self.ratio = (FIRST_GUESS, 1);
    }

    /// Compresses as much of the beginning of `input` as fits in `room` bytes; nothing when nothing does.
    pub(super) fn fill(&mut self, input: &[u8], room: usize) -> io::Result<Fit> {
        if input.is_empty() || room == 0 {
            return Ok(Fit::default());
        }
        let fit = match self.encoder {
            Encoder::Lz4 { level } => fill_lz4(input, room, level)?,
            _ => self.search(input, room)?,
        };
        // Readers take leading zeros for padding.
        if fit.bytes.first() == Some(&0) {
            return Ok(Fit::default());
        }
        if !fit.bytes.is_empty() {
            self.ratio = (fit.taken, fit.bytes.len());
        }
        Ok(fit)
    }

    /// As much of the same `input` in less room: `fit` is all of it.
    pub(super) fn shorten(&mut self, input: &[u8], fit: &Fit, room: usize) -> io::Result<Fit> {
        let cut = match self.encoder {
            Encoder::Lz4 { .. } => cut(&fit.bytes, input, room),
            _ => None,
        };
        cut.map_or_else(|| self.fill(input, room), Ok)
    }

    /// Guesses the length of the input that fills the room by the ratio so far, then between what fits
    /// and what does not.
    fn search(&mut self, input: &[u8], room: usize) -> io::Result<Fit> {
        let mut best = Fit::default();
        let mut too_long: Option<(usize, usize)> = None;
        let (numerator, denominator) = self.ratio;
        let mut guess = scale(room, numerator, denominator);
        for _ in 0..GUESSES {
            let most = too_long.map_or(input.len(), |(length, _)| length - 1);
            guess = guess.clamp((best.taken + 1).min(most), most);
            if guess <= best.taken {
                break;
            }
            let bytes = self.compress(input.get(..guess).unwrap_or(input))?;
            if bytes.len() > room {
                too_long = Some((guess, bytes.len()));
            } else {
                best = Fit { taken: guess, bytes };
                if guess == input.len() || room - best.bytes.len() <= room / NEARLY_FULL {
                    break;
                }
            }
            guess = between(&best, too_long, room);
        }
        Ok(best)
    }

    fn compress(&mut self, input: &[u8]) -> io::Result<Vec<u8>> {
        match &mut self.encoder {
            Encoder::Zstd(encoder) => encoder.compress(input),
            Encoder::Deflate { level } => {
                let settings = flate2::Compression::new(*level);
                let mut encoder = DeflateEncoder::new(Vec::with_capacity(input.len() / 2), settings);
                encoder.write_all(input)?;
                encoder.finish()
            }
            Encoder::Lz4 { .. } => Err(io::Error::other("LZ4 fills its room by itself")),
        }
    }
}

/// The next guess: on the line between the longest input that fits and the shortest that does not, a hair
/// below the point where the room would be full.
fn between(best: &Fit, too_long: Option<(usize, usize)>, room: usize) -> usize {
    let aim = room - room / (2 * NEARLY_FULL);
    match too_long {
        None => scale(aim, best.taken, best.bytes.len().max(1)),
        Some((length, bytes)) => {
            let (run, rise) = (length - best.taken, bytes.saturating_sub(best.bytes.len()).max(1));
            best.taken + scale(aim.saturating_sub(best.bytes.len()), run, rise)
        }
    }
}

fn scale(number: usize, numerator: usize, denominator: usize) -> usize {
    number.saturating_mul(numerator).checked_div(denominator).unwrap_or(number).min(MAX_EXTENT)
}

fn fill_lz4(input: &[u8], room: usize, level: i32) -> io::Result<Fit> {
    let mut bytes = vec![0; room];
    let (taken, written) = lzzzz::lz4_hc::compress_fill(input, &mut bytes, level)?;
    bytes.truncate(written);
    Ok(Fit { taken, bytes })
}
