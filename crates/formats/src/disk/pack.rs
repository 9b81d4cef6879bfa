//! Compressing a cluster or grain alone.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};

/// What zlib takes when it is not told: of qemu-img and VMware's tools too.
const DEFLATE_LEVEL: u32 = 6;
/// What zstd takes when it is not told.
const ZSTD_LEVEL: i32 = 3;

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Deflate without a header and with a window of 4 KiB: QEMU unpacks qcow2 with no larger one.
    Qcow2Zlib,
    /// A frame of Zstandard.
    Zstd,
    /// Deflate in zlib's format.
    Zlib,
}

/// A compressor, kept from one unit to the next.
pub(super) enum Packer {
    Deflate(Compress),
    Zstd(Option<zstd::bulk::Compressor<'static>>),
}

impl Packer {
    pub(super) fn new(packing: Packing) -> Self {
        let level = Compression::new(DEFLATE_LEVEL);
        match packing {
            Packing::Qcow2Zlib => Self::Deflate(Compress::new_with_window_bits(level, false, 12)),
            Packing::Zlib => Self::Deflate(Compress::new(level, true)),
            Packing::Zstd => Self::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL).ok()),
        }
    }

    /// `None` when it would not get smaller.
    pub(super) fn pack(&mut self, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let room = bytes.len().saturating_sub(1);
        match self {
            Self::Deflate(stream) => {
                stream.reset();
                let mut packed = vec![0; room];
                let status = stream.compress(bytes, &mut packed, FlushCompress::Finish)?;
                // No more than the room.
                packed.truncate(stream.total_out() as usize);
                Ok((status == Status::StreamEnd).then_some(packed))
            }
            Self::Zstd(Some(compressor)) => {
                let mut packed = vec![0; room];
                // It fails when there is too little room.
                let packed_to = compressor.compress_to_buffer(bytes, &mut packed);
                Ok(packed_to.ok().map(|length| {
                    packed.truncate(length);
                    packed
                }))
            }
            Self::Zstd(None) => Err(io::Error::other("zstd: no memory for a compressor")),
        }
    }
}

/// What does not compress, in zlib's format all the same.
pub(super) fn stored_zlib(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::none());
    io::Write::write_all(&mut encoder, bytes)?;
    encoder.finish()
}
