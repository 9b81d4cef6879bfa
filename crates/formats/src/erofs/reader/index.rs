//! The index of a compressed file: where the extent that holds a byte begins and ends, and where it is.
//!
//! The file is cut into logical clusters of a block each. The *head* of an extent is the cluster in which it
//! begins, and says where in it; the clusters that follow are *non-heads*, the first of which can say how many
//! blocks the extent takes. There are two forms:
//!
//! ```text
//! full      map header │ 8 bytes │ entry: type u16, offset u16, address u32 │ …
//! compact   map header │ packs of 2 × 16 bits up to 32-byte alignment │ packs of 16 × 14 bits │ packs of 2 × 16
//! pack      entries: type (2 bits) above a number of 12 to 14 bits │ block address u32
//! ```
//!
//! The address of a pack is that of its first head, less the blocks of an extent that began in the pack
//! before; in a file whose extents all take one block it is one less. Heads are found by walking entry by entry, at most [`MAX_EXTENT`] bytes of the file far; the
//! distances that non-heads tell are not needed and not believed.

use std::ops::Range;

use super::clusters::{Cluster, Entries, Head};
use super::error::{Error, Result, damaged};
use super::inode::Layout;
use super::{Inode, Volume};
use crate::erofs::disk::{
    ADVISE_COMPACTED_2B, ADVISE_FRAGMENT, ADVISE_INLINE_PCLUSTER, ADVISE_INTERLACED, MAP_HEADER,
};
use crate::fields::{bytes_at, u16_le, u32_le};

/// The most bytes that an extent unpacks to, `Z_EROFS_PCLUSTER_MAX_DSIZE`.
pub(super) const MAX_EXTENT: u64 = 12 << 20;
/// The most bytes of compressed data of one extent, `Z_EROFS_PCLUSTER_MAX_SIZE`.
const MAX_PACKED: u64 = 1 << 20;
/// `h_clusterbits`: all of the file is a fragment; then the whole header is its place.
const WHOLE_FRAGMENT: u64 = 1 << 63;

/// A run of bytes of the file.
pub(super) struct Extent {
    pub range: Range<u64>,
    pub place: Place,
}

/// Where the bytes of an extent are.
pub(super) enum Place {
    /// As they are.
    Stored {
        at: u64,
    },
    /// As they are, each at its place in a block of the file (`INTERLACED_PCLUSTER`).
    Rotated {
        block: u64,
    },
    /// In the packed inode's content.
    Fragment {
        at: u64,
    },
    Packed(Packed),
}

/// Compressed data.
pub(super) struct Packed {
    pub at: u64,
    pub length: usize,
    /// `Z_EROFS_COMPRESSION_…`.
    pub algorithm: u8,
}

/// The index of one file.
pub(super) struct Index {
    pub size: u64,
    pub advise: u16,
    /// Of [`Head::First`] and [`Head::Second`].
    algorithms: [u8; 2],
    /// The logarithm of a cluster's size.
    pub bits: u8,
    /// Where the entries begin.
    pub entries: u64,
    pub form: Form,
    /// The file's last extent, when it is elsewhere: the place of its head, and where it is.
    tail: Option<(u64, Tail)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Full,
    /// So many clusters in packs of two, so many in packs of sixteen.
    Compact {
        initial: u64,
        pairs: u64,
    },
}

#[derive(Debug, Clone, Copy)]
enum Tail {
    Inline { at: u64, length: usize },
    Fragment { at: u64 },
}

impl Index {
    pub(super) fn open(volume: &Volume, inode: &Inode) -> Result<Self> {
        let header_at = inode.behind().next_multiple_of(8);
        let bytes = volume.bytes(header_at, MAP_HEADER)?;
        let header: [u8; MAP_HEADER] = bytes_at(&bytes, 0).unwrap_or_default();
        let whole = u64::from_le_bytes(header);
        let (advise, algorithms, cluster_bits) = (u16_le(&header, 4).unwrap_or(0), header[6], header[7]);
        let mut index = Self {
            size: inode.size,
            advise,
            algorithms: [algorithms & 15, algorithms >> 4],
            bits: volume.superblock.block_bits,
            entries: header_at + MAP_HEADER as u64,
            form: Form::Full,
            tail: None,
        };
        if whole & WHOLE_FRAGMENT != 0 {
            index.advise = 0;
            index.tail = Some((0, Tail::Fragment { at: whole & !WHOLE_FRAGMENT }));
            return Ok(index);
        }
        if cluster_bits != 0 {
            let what = format!("clusters of the form {cluster_bits:#x}");
            return Err(Error::Unsupported { what, offset: header_at + 7 });
        }
        if inode.layout == Layout::CompressedFull {
            index.entries += 8;
        } else {
            index.form = index.compact(header_at)?;
        }
        index.tail = index.find_tail(volume, &header, header_at)?;
        Ok(index)
    }

    fn compact(&self, header_at: u64) -> Result<Form> {
        if self.bits > 14 {
            let what = format!("a compact index of blocks of 2^{} bytes", self.bits);
            return Err(Error::Unsupported { what, offset: header_at });
        }
        let clusters = self.clusters();
        let initial = (32 - self.entries % 32) / 4 % 8;
        if self.advise & ADVISE_COMPACTED_2B == 0 || initial >= clusters {
            return Ok(Form::Compact { initial: clusters, pairs: 0 });
        }
        if self.bits > 12 {
            let what = format!("an index in 2 bytes of blocks of 2^{} bytes", self.bits);
            return Err(Error::Unsupported { what, offset: header_at });
        }
        Ok(Form::Compact { initial, pairs: (clusters - initial) / 16 * 16 })
    }

    /// The last extent, when it is behind the inode or in the packed inode.
    fn find_tail(&self, volume: &Volume, header: &[u8], header_at: u64) -> Result<Option<(u64, Tail)>> {
        let inline = self.advise & ADVISE_INLINE_PCLUSTER != 0;
        if !inline && self.advise & ADVISE_FRAGMENT == 0 {
            return Ok(None);
        }
        let mut reader = Entries::new(volume, self);
        let (head, cluster) = reader.head_of(self.size - 1)?;
        if inline {
            let at = self.end();
            let length = usize::from(u16_le(header, 2).unwrap_or(0));
            let block = volume.block_size();
            if length == 0 || at % block + length as u64 > block {
                return Err(damaged(format!("{length} bytes of inline data behind an index"), header_at + 2));
            }
            return Ok(Some((head, Tail::Inline { at, length })));
        }
        let low = u64::from(u32_le(header, 0).unwrap_or(0));
        let high = match (self.form, cluster) {
            (Form::Full, Cluster::Head { address, .. }) => u64::from(address) << 32,
            _ => 0,
        };
        Ok(Some((head, Tail::Fragment { at: low | high })))
    }

    /// Whether a part of the file is in the packed inode.
    pub(super) fn has_fragment(&self) -> bool {
        matches!(self.tail, Some((_, Tail::Fragment { .. })))
    }

    /// How many logical clusters there are.
    pub(super) fn clusters(&self) -> u64 {
        self.size.div_ceil(1 << self.bits)
    }

    /// Where the index ends.
    fn end(&self) -> u64 {
        let clusters = self.clusters();
        self.entries
            + match self.form {
                Form::Full => clusters * 8,
                Form::Compact { initial, pairs } => {
                    let rest = clusters - initial.min(clusters) - pairs;
                    initial.next_multiple_of(2) * 4 + pairs * 2 + rest.next_multiple_of(2) * 4
                }
            }
    }

    /// The extent that holds the byte at `offset`, which is within the file.
    pub(super) fn extent(&self, volume: &Volume, offset: u64) -> Result<Extent> {
        if let Some((0, Tail::Fragment { at })) = self.tail
            && self.advise & ADVISE_FRAGMENT == 0
        {
            return Ok(Extent { range: 0..self.size, place: Place::Fragment { at } });
        }
        let mut reader = Entries::new(volume, self);
        let (start, cluster) = reader.head_of(offset)?;
        let number = start >> self.bits;
        let range = start..reader.end_of(number)?;
        let Cluster::Head { head, address, .. } = cluster else {
            return Err(reader.broken("an extent without a head", number));
        };
        let (at, length, inline) = match self.tail {
            Some((place, Tail::Fragment { at })) if place == start => {
                return Ok(Extent { range, place: Place::Fragment { at } });
            }
            Some((place, Tail::Inline { at, length })) if place == start => (at, length, true),
            _ => {
                let blocks = u64::from(reader.blocks(number, head)?);
                let length = blocks << self.bits;
                if length > MAX_PACKED {
                    return Err(reader.broken("an extent of more than 1 MiB of compressed data", number));
                }
                (u64::from(address) << self.bits, length as usize, false)
            }
        };
        let algorithm = match head {
            Head::Plain => {
                if range.end - range.start > length as u64 {
                    return Err(reader.broken("plain data shorter than its extent", number));
                }
                let rotated = self.advise & ADVISE_INTERLACED != 0 && !inline;
                let place = if rotated { Place::Rotated { block: at } } else { Place::Stored { at } };
                return Ok(Extent { range, place });
            }
            Head::First => self.algorithms[0],
            Head::Second => self.algorithms[1],
        };
        Ok(Extent { range, place: Place::Packed(Packed { at, length, algorithm }) })
    }
}
