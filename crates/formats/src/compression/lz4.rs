//! The legacy frame of LZ4, the only one that the kernel unpacks.
//!
//! Specification: `lz4_Frame_format.md`, "Legacy frame". Little-endian:
//!
//! ```text
//! magic    02 21 4c 18
//! block    u32 n, then n bytes of LZ4 block data that unpack to at most 8 MiB; repeated
//! ```
//!
//! There is no end mark: the frame ends with the source, before a block of length 0 (the NULs that pad
//! an initrd). The magic may be repeated.

use std::io::{self, BufRead, Read, Write};

const MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// What a block unpacks to at most, by specification.
const BLOCK: usize = 8 << 20;

/// The longest compressed block, `LZ4_compressBound(BLOCK)`: bounds what a decoder reads into memory.
const MAX_COMPRESSED: usize = BLOCK + BLOCK / 255 + 16;

/// A byte of a block unpacks to at most this many: so much room a short block gets, and no more.
const MAX_RATIO: usize = 255;

/// Unpacks one legacy frame. Holds one block, about 16 MiB, in memory.
pub struct Decoder<B> {
    source: B,
    started: bool,
    ended: bool,
    packed: Vec<u8>,
    block: Vec<u8>,
    /// Bytes of `block` that were handed out.
    taken: usize,
}

impl<B: BufRead> Decoder<B> {
    /// `source` stands at the magic.
    pub fn new(source: B) -> Self {
        Self { source, started: false, ended: false, packed: Vec::new(), block: Vec::new(), taken: 0 }
    }

    /// The source, right behind the last block that was read, and behind the frame once it ended.
    pub fn into_inner(self) -> B {
        self.source
    }

    fn next_block(&mut self) -> io::Result<()> {
        if !self.started {
            let mut magic = [0; 4];
            self.source.read_exact(&mut magic)?;
            if magic != MAGIC {
                return Err(invalid(format!("lz4: {magic:02x?} is not the magic of a legacy frame")));
            }
            self.started = true;
        }
        let Some(length) = self.block_length()? else {
            self.ended = true;
            return Ok(());
        };
        self.packed.resize(length, 0);
        self.source.read_exact(&mut self.packed)?;
        self.block.resize(BLOCK.min(length * MAX_RATIO), 0);
        self.taken = 0;
        let unpacked = lz4_flex::block::decompress_into(&self.packed, &mut self.block)
            .map_err(|error| invalid(format!("lz4: a block of {length} bytes is broken: {error}")))?;
        self.block.truncate(unpacked);
        Ok(())
    }

    /// Takes the length of the next block; `None` at the frame's end. The NULs that end a frame are left
    /// in the source, unless it showed fewer than four bytes at once.
    fn block_length(&mut self) -> io::Result<Option<usize>> {
        loop {
            let head = self.source.fill_buf()?;
            if head.is_empty() || head.starts_with(&[0; 4]) {
                return Ok(None);
            }
            let mut bytes = Vec::with_capacity(4);
            (&mut self.source).take(4).read_to_end(&mut bytes)?;
            if bytes.iter().all(|&byte| byte == 0) {
                return Ok(None);
            }
            let Ok(length) = <[u8; 4]>::try_from(bytes) else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "lz4: cut off in a block's length"));
            };
            if length == MAGIC {
                continue;
            }
            let length = u32::from_le_bytes(length) as usize;
            if length > MAX_COMPRESSED {
                return Err(invalid(format!(
                    "lz4: a block of {length} bytes cannot be; what follows a legacy frame must start with \
                     four NUL bytes"
                )));
            }
            return Ok(Some(length));
        }
    }
}

impl<B: BufRead> Read for Decoder<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.block.len() && !self.ended {
            self.next_block()?;
        }
        let count = self.block.get(self.taken..).unwrap_or_default().read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}

/// Packs into one legacy frame. Holds one block, about 16 MiB, in memory.
pub struct Encoder<W> {
    target: W,
    block: Vec<u8>,
    started: bool,
}

impl<W: Write> Encoder<W> {
    /// Writes to `target`.
    pub fn new(target: W) -> Self {
        Self { target, block: Vec::new(), started: false }
    }

    /// Writes what is left and gives the target back. Four NUL bytes must separate the frame from
    /// anything that is written behind it.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_block()?;
        Ok(self.target)
    }

    fn write_block(&mut self) -> io::Result<()> {
        if !self.started {
            self.target.write_all(&MAGIC)?;
            self.started = true;
        }
        if self.block.is_empty() {
            return Ok(());
        }
        let packed = lz4_flex::block::compress(&self.block);
        self.target.write_all(&(packed.len() as u32).to_le_bytes())?;
        self.target.write_all(&packed)?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = bytes.len().min(BLOCK - self.block.len());
        self.block.extend(bytes.iter().take(now));
        if self.block.len() == BLOCK {
            self.write_block()?;
        }
        Ok(now)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
