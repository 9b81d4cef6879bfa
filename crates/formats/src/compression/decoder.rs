//! Unpacks one stream and stops exactly at its end.

use std::io::{self, BufRead, Read};

use lzma_rust2::XzReader;

use super::{Compression, lz4};

/// The largest window of a Zstandard frame, as a power of two: what the kernel and `zstd -d` take
/// without being asked. It bounds the decoder's memory to some 130 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The most memory for an xz stream's dictionary, in KiB: `xz -9` needs 65 MiB to unpack.
const XZ_MEMORY_KIB: u32 = 130 << 10;

/// Unpacks one gzip member, xz stream, Zstandard frame or LZ4 legacy frame.
///
/// No byte behind the stream's end is taken from the source: [`into_inner`](Self::into_inner) then
/// gives it back right behind the stream.
pub struct Decoder<B: BufRead> {
    stream: Stream<B>,
    failed: bool,
}

enum Stream<B: BufRead> {
    Plain(B),
    Gzip(Box<flate2::bufread::GzDecoder<B>>),
    Xz(Box<XzReader<B>>),
    Lz4(lz4::Decoder<B>),
    Zstd(zstd::stream::read::Decoder<'static, B>),
}

impl Compression {
    /// Whether this library can unpack it.
    pub fn can_decode(self) -> bool {
        matches!(self, Self::None | Self::Gzip | Self::Xz | Self::Lz4Legacy | Self::Zstd)
    }

    /// A reader of what `source`, which stands at the start of such a stream, unpacks to.
    ///
    /// Fails with [`Unsupported`](io::ErrorKind::Unsupported) for bzip2, lzma and lzo.
    pub fn decoder<B: BufRead>(self, source: B) -> io::Result<Decoder<B>> {
        let stream = match self {
            Self::None => Stream::Plain(source),
            Self::Gzip => Stream::Gzip(Box::new(flate2::bufread::GzDecoder::new(source))),
            Self::Xz => Stream::Xz(Box::new(XzReader::new_mem_limit(source, false, XZ_MEMORY_KIB))),
            Self::Lz4Legacy => Stream::Lz4(lz4::Decoder::new(source)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Stream::Zstd(decoder)
            }
            Self::Bzip2 | Self::Lzma | Self::Lzo => {
                let text = format!("{self} streams cannot be unpacked: compress it with zstd, xz or gzip");
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
        };
        Ok(Decoder { stream, failed: false })
    }
}

impl<B: BufRead> Decoder<B> {
    /// The source, right behind the stream once reading has met the stream's end; `None` after an
    /// error, when it stands nowhere in particular.
    pub fn into_inner(self) -> Option<B> {
        if self.failed {
            return None;
        }
        Some(match self.stream {
            Stream::Plain(source) => source,
            Stream::Gzip(decoder) => decoder.into_inner(),
            Stream::Xz(decoder) => decoder.into_inner(),
            Stream::Lz4(decoder) => decoder.into_inner(),
            Stream::Zstd(decoder) => decoder.into_inner(),
        })
    }
}

impl<B: BufRead> Read for Decoder<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::Error::other("the compressed stream is broken"));
        }
        // An empty read is taken for the end of a block by the xz decoder.
        if buffer.is_empty() {
            return Ok(0);
        }
        let result = match &mut self.stream {
            Stream::Plain(source) => source.read(buffer),
            Stream::Gzip(decoder) => decoder.read(buffer),
            Stream::Xz(decoder) => decoder.read(buffer),
            Stream::Lz4(decoder) => decoder.read(buffer),
            Stream::Zstd(decoder) => decoder.read(buffer),
        };
        self.failed = matches!(&result, Err(error) if error.kind() != io::ErrorKind::Interrupted);
        result
    }
}
