//! The reader: finds the segments, unpacks each, and walks the archives in them.

use std::io::{self, BufRead, BufReader, Read, Take};
use std::ops::{Deref, DerefMut};

use super::source::Source;
use super::{Error, MAX_SEGMENTS, MAX_UNPACKED, Segment};
use crate::compression::{Compression, Decoder};
use crate::cpio;

/// Walks an initrd, member by member through all its segments, in bounded memory.
///
/// ```
/// # use bootwright_formats::{compression::Compression, cpio, initrd};
/// # let mut writer = cpio::Writer::new(Compression::Zstd.encoder(Vec::new(), 1)?, 0);
/// # writer.file("init", cpio::Attributes::EXECUTABLE, 2, &b"hi"[..])?;
/// # let bytes = writer.finish()?.finish()?;
/// let mut reader = initrd::Reader::new(&bytes[..]);
/// while let Some(entry) = reader.next_entry()? {
///     println!("segment {}: {}", entry.segment(), entry.path().escape_ascii());
/// }
/// assert_eq!(reader.segments()[0].compression, Compression::Zstd);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader<R: Read> {
    state: State<R>,
    segments: Vec<Segment>,
    /// Bytes that compressed segments may still unpack to.
    allowance: u64,
    limit: u64,
}

enum State<R: Read> {
    /// Between two segments.
    Between(Source<R>),
    /// In a segment, whose lengths are not known yet.
    Within(Archive<R>, Segment),
    /// At the end, or after an error.
    Done,
}

type Archive<R> = cpio::Reader<Input<R>>;

/// The unpacked bytes of a segment.
pub enum Input<R: Read> {
    /// As they lie in the initrd.
    Plain(Source<R>),
    /// Through a decoder, one byte more than is allowed.
    Packed(Box<BufReader<Take<Decoder<Source<R>>>>>),
}

/// A member of the initrd: a [`cpio::Entry`] that knows its segment. Its offsets count from the start
/// of the segment, unpacked.
pub struct Entry<'a, R: Read> {
    entry: cpio::Entry<'a, Input<R>>,
    segment: usize,
    compression: Compression,
}

impl<R: Read> Reader<R> {
    /// Reads from `inner`, which stands at the start of an initrd. It needs no buffer of its own.
    pub fn new(inner: R) -> Self {
        Self::with_limit(inner, MAX_UNPACKED)
    }

    /// As [`new`](Self::new), with `limit` in the place of [`MAX_UNPACKED`].
    pub fn with_limit(inner: R, limit: u64) -> Self {
        Self { state: State::Between(Source::new(inner)), segments: Vec::new(), allowance: limit, limit }
    }

    /// The segments that were read to their end; all of them once [`next_entry`](Self::next_entry) gave
    /// `None`.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The next member; `None` at the end of the initrd, and after an error.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_, R>>, Error> {
        let Some(head) = self.next_head()? else { return Ok(None) };
        let State::Within(archive, segment) = &mut self.state else { return Ok(None) };
        let compression = segment.compression;
        Ok(Some(Entry { entry: archive.entry(head), segment: self.segments.len(), compression }))
    }

    fn next_head(&mut self) -> Result<Option<cpio::Head>, Error> {
        loop {
            // An error leaves the state at `Done`.
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(None),
                State::Between(source) => match self.open(source)? {
                    Some((archive, segment)) => self.state = State::Within(archive, segment),
                    None => return Ok(None),
                },
                State::Within(mut archive, mut segment) => match step(&mut archive) {
                    Err(error) => return Err(self.blame(&archive, &segment, error)),
                    Ok(Some(head)) => {
                        segment.entries += 1;
                        self.state = State::Within(archive, segment);
                        return Ok(Some(head));
                    }
                    Ok(None) => self.state = State::Between(self.close(archive, segment)?),
                },
            }
        }
    }

    /// Passes over padding and opens the next segment; `None` at the end of the initrd.
    fn open(&mut self, mut source: Source<R>) -> Result<Option<(Archive<R>, Segment)>, Error> {
        let read = |offset| move |source| Error::Read { offset, source };
        source.skip_nuls().map_err(read(source.position()))?;
        let offset = source.position();
        let head = source.fill_buf().map_err(read(offset))?;
        let compression = Compression::detect(head);
        match head.first() {
            None => return Ok(None),
            Some(b'0') if offset.is_multiple_of(4) => {}
            Some(b'0') => return Err(Error::Misplaced { offset }),
            Some(_) if compression == Compression::None => {
                return Err(Error::Unknown { offset, found: head.iter().take(6).copied().collect() });
            }
            Some(_) if !compression.can_decode() => return Err(Error::Unsupported { offset, compression }),
            Some(_) => {}
        }
        if self.segments.len() >= MAX_SEGMENTS {
            return Err(Error::TooManySegments { offset });
        }
        let input = match compression {
            Compression::None => Input::Plain(source),
            packed => {
                let decoder = packed.decoder(source).map_err(read(offset))?;
                Input::Packed(Box::new(BufReader::new(decoder.take(self.allowance.saturating_add(1)))))
            }
        };
        let segment = Segment { offset, length: 0, compression, unpacked: 0, entries: 0 };
        Ok(Some((cpio::Reader::new(input), segment)))
    }

    /// Writes down what is known at a segment's end.
    fn close(&mut self, archive: Archive<R>, mut segment: Segment) -> Result<Source<R>, Error> {
        segment.unpacked = archive.position();
        let source = match archive.into_inner() {
            Input::Plain(source) => source,
            Input::Packed(_) if segment.unpacked > self.allowance => return Err(self.too_large(&segment)),
            Input::Packed(reader) => {
                self.allowance -= segment.unpacked;
                let broken = || Error::Read {
                    offset: segment.offset,
                    source: io::Error::new(io::ErrorKind::InvalidData, "its compressed stream is broken"),
                };
                reader.into_inner().into_inner().into_inner().ok_or_else(broken)?
            }
        };
        segment.length = source.position() - segment.offset;
        self.segments.push(segment);
        Ok(source)
    }

    /// The error of a segment: the limit, if the decoder was stopped at it.
    fn blame(&self, archive: &Archive<R>, segment: &Segment, source: cpio::Error) -> Error {
        match archive.get_ref() {
            Input::Packed(reader) if reader.get_ref().limit() == 0 => self.too_large(segment),
            _ => Error::Segment { offset: segment.offset, compression: segment.compression, source },
        }
    }

    fn too_large(&self, segment: &Segment) -> Error {
        Error::TooLarge { offset: segment.offset, limit: self.limit }
    }
}

/// The next member of a segment, through all archives in it; `None` at its end.
///
/// An uncompressed segment ends with its archive's trailer, or where no header follows a member: the
/// kernel looks for the next segment there, too.
fn step<R: Read>(archive: &mut Archive<R>) -> Result<Option<cpio::Head>, cpio::Error> {
    archive.finish_member()?;
    loop {
        let more = match archive.get_ref() {
            Input::Plain(_) => !archive.ended() && archive.peek()? == Some(b'0'),
            Input::Packed(_) => archive.next_archive()?,
        };
        if !more {
            return Ok(None);
        }
        if let Some(head) = archive.next_head()? {
            return Ok(Some(head));
        }
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(source) => source.read(buffer),
            Self::Packed(reader) => reader.read(buffer),
        }
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(source) => source.fill_buf(),
            Self::Packed(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Plain(source) => source.consume(count),
            Self::Packed(reader) => reader.consume(count),
        }
    }
}

impl<R: Read> Entry<'_, R> {
    /// The number of its segment: its index in [`Reader::segments`] once that segment is read.
    pub fn segment(&self) -> usize {
        self.segment
    }

    /// How its segment is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }
}

impl<'a, R: Read> Deref for Entry<'a, R> {
    type Target = cpio::Entry<'a, Input<R>>;

    fn deref(&self) -> &Self::Target {
        &self.entry
    }
}

impl<R: Read> DerefMut for Entry<'_, R> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.entry
    }
}

impl<R: Read> Read for Entry<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.entry.read(buffer)
    }
}
