//! A compressed file as `gzip -d`, `xz -d` and `zstd -d` take it: several streams, one after the other.

use std::io::{self, BufRead, Chain, Cursor, Read};

use super::{Compression, Decoder};

/// Unpacks all streams of a file, of which each may be compressed in its own way. Zeros behind a stream,
/// which tapes and padding leave, are skipped.
pub struct Whole<B: BufRead> {
    state: State<B>,
}

/// The longest of the magics.
const MAGIC: u64 = 6;

/// A stream of which the first bytes have been looked at.
pub type Peeked<B> = Chain<Cursor<Vec<u8>>, B>;

enum State<B: BufRead> {
    Between(B),
    Within(Box<Decoder<B>>),
    Ended,
}

impl Compression {
    /// Tells the compression of a file by the whole magic of its first six bytes: what may be a disk as well
    /// should not be told by two.
    pub fn detect_file(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The same of a file that comes as a stream, which then stands at its start again.
    pub fn peek<B: BufRead>(mut source: B) -> io::Result<(Self, Peeked<B>)> {
        let mut head = Vec::new();
        source.by_ref().take(MAGIC).read_to_end(&mut head)?;
        Ok((Self::detect_file(&head), Cursor::new(head).chain(source)))
    }
}

impl<B: BufRead> Whole<B> {
    /// `source` stands at the start of the first stream.
    pub fn new(source: B) -> Self {
        Self { state: State::Between(source) }
    }

    fn next(mut source: B) -> io::Result<State<B>> {
        loop {
            let head = source.fill_buf()?;
            let zeros = head.iter().take_while(|&&byte| byte == 0).count();
            if head.is_empty() {
                return Ok(State::Ended);
            }
            if zeros == 0 {
                // A buffer may end behind any byte; the decoder checks the rest of the magic.
                let compression = match head.first() {
                    Some(0x1f) => Compression::Gzip,
                    Some(0xfd) => Compression::Xz,
                    Some(0x28) => Compression::Zstd,
                    Some(0x02) => Compression::Lz4Legacy,
                    _ => {
                        let what = "behind a compressed stream there is something that is none";
                        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                    }
                };
                return Ok(State::Within(Box::new(compression.decoder(source)?)));
            }
            source.consume(zeros);
        }
    }
}

impl<B: BufRead> Read for Whole<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(source) => Self::next(source)?,
                State::Within(mut decoder) => match decoder.read(buffer)? {
                    0 if !buffer.is_empty() => decoder.into_inner().map_or(State::Ended, State::Between),
                    count => {
                        self.state = State::Within(decoder);
                        return Ok(count);
                    }
                },
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zstd(text: &str) -> Vec<u8> {
        zstd::encode_all(text.as_bytes(), 1).unwrap()
    }

    #[test]
    fn streams_follow_each_other_with_zeros_between_them() {
        let file = [zstd("one "), vec![0; 1000], zstd("two")].concat();
        let mut text = String::new();
        Whole::new(io::BufReader::with_capacity(7, file.as_slice())).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
    }

    #[test]
    fn what_is_cut_off_or_followed_by_something_else_is_an_error() {
        let stream = zstd("some text that is long enough");
        for file in [stream[..stream.len() - 3].to_vec(), [stream.as_slice(), b"tail"].concat()] {
            assert!(Whole::new(file.as_slice()).read_to_end(&mut Vec::new()).is_err());
        }
    }
}
