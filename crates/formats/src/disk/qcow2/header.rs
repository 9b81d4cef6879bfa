//! The header and its extensions.
//!
//! ```text
//!    0 magic "QFI\xfb"        32 crypt_method              64 snapshots_offset
//!    4 version                36 l1_size (entries)         72 incompatible_features   (version 3 on)
//!    8 backing_file_offset    40 l1_table_offset           80 compatible_features
//!   16 backing_file_size      48 refcount_table_offset     88 autoclear_features
//!   20 cluster_bits           56 refcount_table_clusters   96 refcount_order
//!   24 size                   60 nb_snapshots             100 header_length
//!                                                         104 compression_type
//! ```

use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::super::{Error, Format};
use crate::ReadAt;

/// What QEMU takes: clusters of 512 bytes to 2 MiB. It bounds what one compressed cluster unpacks to.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;

/// What QEMU takes: 32 MiB of L1 table, 2 EiB of disk in clusters of 2 MiB.
const MAX_L1_ENTRIES: u32 = 4 << 20;

/// Header and extensions lie in the first cluster; no cluster is longer.
const MAX_HEADER: usize = 2 << 20;

/// No extension that is looked at is longer: a path of Linux.
const MAX_EXTENSION: usize = 4096;

/// The longest name of a backing file, as the specification has it.
const MAX_BACKING_NAME: u32 = 1023;

/// Incompatible features: who does not know one must not open the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incompatible(pub u64);

impl Incompatible {
    pub(super) const DATA_FILE: u64 = 1 << 2;
    pub(super) const COMPRESSION: u64 = 1 << 3;
    pub(super) const EXTENDED_L2: u64 = 1 << 4;
    const KNOWN: u64 = 0x1f;

    /// The image was not closed: its refcounts may be wrong.
    pub fn dirty(self) -> bool {
        self.0 & 1 != 0
    }

    /// QEMU found the image damaged.
    pub fn corrupt(self) -> bool {
        self.0 & 2 != 0
    }

    /// The disk's clusters are in another file.
    pub fn external_data(self) -> bool {
        self.0 & Self::DATA_FILE != 0
    }

    /// L2 entries have 16 bytes and tell of 32 subclusters.
    pub fn extended_l2(self) -> bool {
        self.0 & Self::EXTENDED_L2 != 0
    }
}

/// How clusters are compressed that are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionType {
    /// Deflate without a header (RFC 1951).
    Zlib,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// How clusters are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not.
    None,
    /// QEMU's old AES-CBC.
    Aes,
    /// LUKS.
    Luks,
}

/// What the header says.
#[derive(Debug, Clone)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// The backing file as the image names it.
    pub backing_file: Option<String>,
    /// The backing file's format, as the image names it.
    pub backing_format: Option<String>,
    /// Shared in a cluster: 2 to the power of this.
    pub cluster_bits: u32,
    /// Shared of the disk.
    pub size: u64,
    /// How clusters are encrypted.
    pub encryption: Encryption,
    /// Entries of the L1 table.
    pub l1_size: u32,
    /// Where the L1 table is.
    pub l1_table_offset: u64,
    /// Where the refcount table is.
    pub refcount_table_offset: u64,
    /// Snapshots in the snapshot table.
    pub nb_snapshots: u32,
    /// Where the snapshot table is.
    pub snapshots_offset: u64,
    /// Features without which the image cannot be read.
    pub incompatible: Incompatible,
    /// Features that may be ignored.
    pub compatible_features: u64,
    /// Features that are lost when the image is changed without knowing them.
    pub autoclear_features: u64,
    /// Bits in a refcount: 2 to the power of this.
    pub refcount_order: u32,
    /// How compressed clusters are compressed.
    pub compression: CompressionType,
    /// The external data file as the image names it.
    pub data_file: Option<String>,
}

impl Header {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// When it is damaged, or needs a feature that is not known.
    pub fn read(bytes: &dyn ReadAt) -> Result<Self> {
        let head = read_up_to(bytes, 0, 112)?;
        if !head.starts_with(b"QFI\xfb") {
            return Err(broken(0, "this is not the magic of qcow2".to_owned()));
        }
        let ends = || broken(head.len() as u64, "the file ends in the header".to_owned());
        let (mut header, extensions_at) = fixed(&head).ok_or_else(ends)??;
        header.check(&head)?;
        header.read_extensions(bytes, extensions_at)?;
        header.read_backing_file(bytes, &head)?;
        Ok(header)
    }

    /// Shared in a cluster.
    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Shared in an entry of an L2 table.
    pub(super) fn l2_entry(&self) -> u64 {
        if self.incompatible.extended_l2() { 16 } else { 8 }
    }

    /// Shared of the disk that one L2 table maps.
    pub(super) fn mapped_by_l2(&self) -> u64 {
        self.cluster_size() / self.l2_entry() * self.cluster_size()
    }

    fn check(&self, head: &[u8]) -> Result<()> {
        let unknown = self.incompatible.0 & !Incompatible::KNOWN;
        if unknown != 0 {
            let what = format!("incompatible feature {} is not known", unknown.trailing_zeros());
            return Err(Error::Unsupported { format: Format::Qcow2, what });
        }
        if self.incompatible.extended_l2() && self.cluster_bits < 14 {
            let what = format!("clusters of {} bytes are too small for extended L2", self.cluster_size());
            return Err(broken(20, what));
        }
        if self.refcount_order > 6 {
            return Err(broken(96, format!("refcount_order is {}, not 0 to 6", self.refcount_order)));
        }
        if self.l1_size > MAX_L1_ENTRIES {
            let what = format!("l1_size is {}; no L1 table has more than {MAX_L1_ENTRIES}", self.l1_size);
            return Err(broken(36, what));
        }
        if self.size.div_ceil(self.mapped_by_l2()) > u64::from(self.l1_size) {
            let what = format!("an L1 table of {} entries cannot map {} bytes", self.l1_size, self.size);
            return Err(broken(24, what));
        }
        if !self.l1_table_offset.is_multiple_of(self.cluster_size()) {
            let what = format!("l1_table_offset {} is not on a cluster", self.l1_table_offset);
            return Err(broken(40, what));
        }
        if self.incompatible.0 & Incompatible::COMPRESSION == 0
            && self.version > 2
            && head.byte(104) == Some(1)
        {
            return Err(broken(104, "compression_type is zstd, but its feature bit is not set".to_owned()));
        }
        Ok(())
    }

    fn read_extensions(&mut self, bytes: &dyn ReadAt, mut at: u64) -> Result<()> {
        let end = self.cluster_size().min(MAX_HEADER as u64);
        while at + 8 <= end {
            let head = read_up_to(bytes, at, 8)?;
            let (Some(kind), Some(length)) = (head.be32(0), head.be32(4)) else { break };
            if kind == 0 {
                break;
            }
            if at + 8 + u64::from(length) > end {
                return Err(broken(
                    at + 4,
                    format!("an extension of {length} bytes leaves the first cluster"),
                ));
            }
            let text = || -> Result<String> {
                let data = read_up_to(bytes, at + 8, (length as usize).min(MAX_EXTENSION))?;
                Ok(String::from_utf8_lossy(&data).into_owned())
            };
            match kind {
                0xe279_2aca => self.backing_format = Some(text()?),
                0x4441_5441 => self.data_file = Some(text()?),
                _ => {}
            }
            at += 8 + u64::from(length).next_multiple_of(8);
        }
        Ok(())
    }

    fn read_backing_file(&mut self, bytes: &dyn ReadAt, head: &[u8]) -> Result<()> {
        let (Some(offset @ 1..), Some(length)) = (head.be64(8), head.be32(16)) else { return Ok(()) };
        if length > MAX_BACKING_NAME || offset.saturating_add(u64::from(length)) > self.cluster_size() {
            let what =
                format!("a backing file's name of {length} bytes at {offset} leaves the first cluster");
            return Err(broken(8, what));
        }
        let name = read_up_to(bytes, offset, length as usize)?;
        if name.len() < length as usize {
            return Err(broken(offset, "the file ends in the backing file's name".to_owned()));
        }
        self.backing_file = Some(String::from_utf8_lossy(&name).into_owned());
        Ok(())
    }
}

pub(super) fn broken(offset: u64, what: String) -> Error {
    Error::Broken { format: Format::Qcow2, offset, what }
}

/// The fields, and where the extensions begin; `None` when the header ends before.
fn fixed(head: &[u8]) -> Option<Result<(Header, u64)>> {
    let version = head.be32(4)?;
    if !(2..=3).contains(&version) {
        let what = format!("version {version} is not read, only 2 and 3: convert it with qemu-img first");
        return Some(Err(Error::Unsupported { format: Format::Qcow2, what }));
    }
    let cluster_bits = head.be32(20)?;
    if !CLUSTER_BITS.contains(&cluster_bits) {
        return Some(Err(broken(20, format!("cluster_bits is {cluster_bits}, not 9 to 21"))));
    }
    let encryption = match head.be32(32)? {
        0 => Encryption::None,
        1 => Encryption::Aes,
        2 => Encryption::Luks,
        other => return Some(Err(broken(32, format!("crypt_method {other} is none of 0 to 2")))),
    };
    let three = version == 3;
    let header_length = if three { head.be32(100)? } else { 72 };
    if three && !(104..=1 << cluster_bits).contains(&header_length) {
        return Some(Err(broken(100, format!("header_length {header_length} cannot be"))));
    }
    let compression = match if three && header_length > 104 { head.byte(104)? } else { 0 } {
        0 => CompressionType::Zlib,
        1 => CompressionType::Zstd,
        other => return Some(Err(broken(104, format!("compression_type {other} is neither zlib nor zstd")))),
    };
    let header = Header {
        version,
        backing_file: None,
        backing_format: None,
        cluster_bits,
        size: head.be64(24)?,
        encryption,
        l1_size: head.be32(36)?,
        l1_table_offset: head.be64(40)?,
        refcount_table_offset: head.be64(48)?,
        nb_snapshots: head.be32(60)?,
        snapshots_offset: head.be64(64)?,
        incompatible: Incompatible(if three { head.be64(72)? } else { 0 }),
        compatible_features: if three { head.be64(80)? } else { 0 },
        autoclear_features: if three { head.be64(88)? } else { 0 },
        refcount_order: if three { head.be32(96)? } else { 4 },
        compression,
        data_file: None,
    };
    Some(Ok((header, u64::from(header_length))))
}
