//! Packs a stream so that the kernel can unpack it.

use std::io::{self, Write};

use lzma_rust2::{CheckType, XzOptions, XzWriter};

use super::{Compression, lz4};

/// Packs what is written to it into one stream. The same bytes and level give the same stream.
pub struct Encoder<W: Write>(Stream<W>);

enum Stream<W: Write> {
    Plain(W),
    Gzip(flate2::write::GzEncoder<W>),
    Xz(Box<XzWriter<W>>),
    Lz4(lz4::Encoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl Compression {
    /// A writer that packs into `target`. `level` is that of the tool of the same name (gzip and xz 0
    /// to 9, zstd 1 to 22, LZ4 has none); one outside of that range is drawn into it.
    ///
    /// Fails with [`Unsupported`](io::ErrorKind::Unsupported) for bzip2, lzma and lzo.
    pub fn encoder<W: Write>(self, target: W, level: u32) -> io::Result<Encoder<W>> {
        Ok(Encoder(match self {
            Self::None => Stream::Plain(target),
            Self::Gzip => {
                let level = flate2::Compression::new(level.min(9));
                Stream::Gzip(flate2::GzBuilder::new().mtime(0).write(target, level))
            }
            Self::Xz => {
                let mut options = XzOptions::with_preset(level.min(9));
                options.set_check_sum_type(CheckType::Crc32);
                Stream::Xz(Box::new(XzWriter::new(target, options)?))
            }
            Self::Lz4Legacy => Stream::Lz4(lz4::Encoder::new(target)),
            Self::Zstd => {
                let level = i32::try_from(level.clamp(1, 22)).unwrap_or(22);
                Stream::Zstd(zstd::stream::write::Encoder::new(target, level)?)
            }
            Self::Bzip2 | Self::Lzma | Self::Lzo => {
                let text = format!("{self} streams cannot be written: choose zstd, xz, gzip or lz4");
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
        }))
    }
}

impl<W: Write> Encoder<W> {
    /// Ends the stream and gives the target back, not flushed. Without it the stream is cut off.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Stream::Plain(target) => Ok(target),
            Stream::Gzip(encoder) => encoder.finish(),
            Stream::Xz(encoder) => encoder.finish(),
            Stream::Lz4(encoder) => encoder.finish(),
            Stream::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Stream::Plain(target) => target.write(bytes),
            Stream::Gzip(encoder) => encoder.write(bytes),
            Stream::Xz(encoder) => encoder.write(bytes),
            Stream::Lz4(encoder) => encoder.write(bytes),
            Stream::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Stream::Plain(target) => target.flush(),
            Stream::Gzip(encoder) => encoder.flush(),
            Stream::Xz(encoder) => encoder.flush(),
            Stream::Lz4(encoder) => encoder.flush(),
            Stream::Zstd(encoder) => encoder.flush(),
        }
    }
}
