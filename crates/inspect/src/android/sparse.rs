//! Android sparse image: a disk or partition without its holes.
//!
//! Specification: AOSP, `sparse_format.h`. Little-endian; 28 bytes, then chunks of 12 and their data:
//!
//! ```text
//! 0 magic 0xed26ff3a   4 major u16 (1)   8 header size u16   10 chunk header size u16   12 block size
//! 16 blocks   20 chunks
//! chunk: 0 type u16 (0xcac1 raw, 0xcac2 fill, 0xcac3 nothing, 0xcac4 CRC32)   4 blocks   8 bytes with this header
//! ```

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bootwright_formats::{Extent, ExtentKind, ReadAt};

use crate::bytes::{Bytes, read};
use crate::node::{Node, Severity};
use crate::recognise::{Found, Inner};
use crate::source::Source;

/// The most chunks (24 MiB of table): an image of 64 GiB in pieces of 128 KiB has as many.
const MAX_CHUNKS: u32 = 1 << 19;

pub(super) fn recognise(source: &Source, head: &Bytes) -> io::Result<Option<Found>> {
    if !head.has(0, &0xed26_ff3a_u32.to_le_bytes()) || head.le16(4) != Some(1) {
        return Ok(None);
    }
    let mut node = Node::new("android-sparse", "Android sparse image", source.size());
    let field = |at| head.le32(at).unwrap_or(0);
    let (block, blocks, chunks) = (field(12), field(16), field(20));
    node.bytes("unpacked", u64::from(block) * u64::from(blocks));
    node.bytes("block size", block).number("chunks", chunks);
    if block == 0 || block % 4 != 0 || chunks > MAX_CHUNKS {
        let what = format!("a block size of {block} and {chunks} chunks cannot be");
        node.problem(Severity::Error, 12, what, "make it again with img2simg");
        return Ok(Some(node.into()));
    }
    match table(source, head, u64::from(block))? {
        Ok(table) if table.last().map_or(0, |chunk| chunk.to.end) == u64::from(block) * u64::from(blocks) => {
            let image = Sparse { source: Arc::clone(source), chunks: table };
            Ok(Some(Found { node, inner: Inner::Whole(Arc::new(image)) }))
        }
        Ok(_) => {
            let what = format!("its chunks have another sum than the {blocks} blocks of its header");
            node.problem(Severity::Error, 16, what, "copy it again, whole");
            Ok(Some(node.into()))
        }
        Err((at, what)) => {
            node.problem(Severity::Error, at, what, "copy it again, whole");
            Ok(Some(node.into()))
        }
    }
}

/// A run of blocks.
struct Chunk {
    /// Where it is in the image.
    to: Range<u64>,
    content: Content,
}

enum Content {
    /// The bytes from here on in the file.
    At(u64),
    /// These four bytes, again and again.
    Fill([u8; 4]),
    /// Nothing was there: zeros.
    Nothing,
}

type Table = Result<Vec<Chunk>, (u64, String)>;

fn table(source: &Source, head: &Bytes, block: u64) -> io::Result<Table> {
    let field = |at| u64::from(head.le16(at).unwrap_or(0));
    let (mut at, header) = (field(8), field(10));
    if at < 28 || header < 12 {
        return Ok(Err((8, "its headers are shorter than their fields".to_owned())));
    }
    let (mut table, mut position) = (Vec::new(), 0_u64);
    for number in 0..head.le32(20).unwrap_or(0) {
        let chunk = read(source, at, 16)?;
        let fields = (chunk.le16(0), chunk.le32(4), chunk.le32(8));
        let (Some(kind), Some(blocks), Some(total)) = fields else {
            return Ok(Err((at, format!("it is cut off at chunk {number}"))));
        };
        let (data, length) = (u64::from(total).saturating_sub(header), u64::from(blocks) * block);
        let content = match kind {
            0xcac1 if data == length && at + header + data <= source.size() => Some(Content::At(at + header)),
            0xcac2 if data == 4 => read(source, at + header, 4)?.0.try_into().ok().map(Content::Fill),
            0xcac3 if data == 0 => Some(Content::Nothing),
            0xcac4 if data == 4 => None,
            _ => return Ok(Err((at, format!("chunk {number} is of an unknown kind, or is cut off")))),
        };
        if let Some(content) = content {
            table.push(Chunk { to: position..position + length, content });
            position += length;
        }
        at += u64::from(total);
    }
    Ok(Ok(table))
}

struct Sparse {
    source: Source,
    chunks: Vec<Chunk>,
}

impl Sparse {
    fn chunk(&self, offset: u64) -> Option<&Chunk> {
        let after = self.chunks.partition_point(|chunk| chunk.to.end <= offset);
        self.chunks.get(after)
    }
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.to.end)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(chunk) = self.chunk(offset) else { return Ok(0) };
        let left = usize::try_from(chunk.to.end - offset).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..left) else { return Ok(0) };
        let within = offset - chunk.to.start;
        match &chunk.content {
            Content::At(start) => return self.source.read_at(start + within, buffer),
            Content::Fill(word) => {
                let pattern = word.iter().cycle().skip((within % 4) as usize);
                buffer.iter_mut().zip(pattern).for_each(|(to, from)| *to = *from);
            }
            Content::Nothing => buffer.fill(0),
        }
        Ok(left)
    }

    fn extent(&self, offset: u64) -> io::Result<Extent> {
        let Some(chunk) = self.chunk(offset) else {
            return Ok(Extent { range: offset..offset, kind: ExtentKind::Data });
        };
        let zero = matches!(chunk.content, Content::Nothing | Content::Fill([0, 0, 0, 0]));
        let kind = if zero { ExtentKind::Zero } else { ExtentKind::Data };
        Ok(Extent { range: offset..chunk.to.end, kind })
    }
}
