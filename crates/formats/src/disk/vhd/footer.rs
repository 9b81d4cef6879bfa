//! The footer, of which dynamic disks have a copy at the start.
//!
//! ```text
//!    0 cookie "conectix"   24 time stamp        40 original size   60 disk type
//!    8 features            28 creator           48 current size    64 checksum
//!   12 version             32 creator version   56 cylinders       68 UUID
//!   16 data offset         36 creator's host    58 heads, 59 sectors per track
//! ```

use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::super::{Error, Format, SECTOR};
use crate::Guid;
use crate::ReadAt;

/// Creators that mean the size in bytes, not the geometry: newer QEMU, Hyper-V, Disk2vhd, XenServer,
/// XenConverter, Azure.
pub const SIZE_COUNTS: [&[u8; 4]; 6] = [b"qem2", b"win ", b"d2v ", b"tap\0", b"CTXS", b"wa\0\0"];

/// What kind of disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskType {
    /// The data, then a footer.
    Fixed,
    /// Blocks are there once they were written.
    Dynamic,
    /// What is not there is in the parent.
    Differencing,
}

/// Cylinders, heads, sectors per track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// At most 65535.
    pub cylinders: u16,
    /// At most 16, but 255 in what some write.
    pub heads: u8,
    /// At most 255.
    pub sectors: u8,
}

impl Geometry {
    /// The largest that the specification has: 127 GiB. It stands for every larger disk too.
    pub const LARGEST: Self = Self { cylinders: 65535, heads: 16, sectors: 255 };

    /// How many sectors a disk of this geometry has.
    pub fn total(self) -> u64 {
        u64::from(self.cylinders) * u64::from(self.heads) * u64::from(self.sectors)
    }
}

/// What the footer says.
#[derive(Debug, Clone)]
pub struct Footer {
    /// The kind of disk.
    pub disk_type: DiskType,
    /// Where the header of a dynamic disk is.
    pub data_offset: u64,
    /// Seconds since 2000.
    pub timestamp: u32,
    /// Who made it.
    pub creator: [u8; 4],
    /// Shared of the disk as a number.
    pub current_size: u64,
    /// The disk as a geometry.
    pub geometry: Geometry,
    /// Of this disk; a differencing disk names its parent by it.
    pub uuid: Guid,
}

impl Footer {
    /// Reads the footer at the end of `bytes`, or its copy at the start if that one is damaged.
    ///
    /// # Errors
    /// When both are.
    pub fn read(bytes: &dyn ReadAt) -> Result<Self> {
        let at = bytes.size().saturating_sub(SECTOR);
        let fault = match Self::read_one(bytes, at) {
            Ok(footer) => return Ok(footer),
            Err(fault) => fault,
        };
        match Self::read_one(bytes, 0) {
            Ok(footer) if footer.disk_type != DiskType::Fixed => Ok(footer),
            _ => Err(fault),
        }
    }

    fn read_one(bytes: &dyn ReadAt, at: u64) -> Result<Self> {
        let sector = read_up_to(bytes, at, SECTOR as usize)?;
        if !sector.starts_with(b"conectix") {
            return Err(broken(at, "there should be a footer, which begins with \"conectix\"".to_owned()));
        }
        if sector.be32(64) != Some(checksum(&sector, 64)) {
            return Err(broken(at + 64, "the footer's checksum is wrong".to_owned()));
        }
        let footer = parse(&sector).ok_or_else(|| broken(at, "the file ends in the footer".to_owned()))?;
        let (disk_type, rest) = footer;
        let disk_type = match disk_type {
            2 => DiskType::Fixed,
            3 => DiskType::Dynamic,
            4 => DiskType::Differencing,
            other => return Err(broken(at + 60, format!("disk type {other} is none of 2 to 4"))),
        };
        Ok(Self { disk_type, ..rest })
    }

    /// Shared of the disk: see the module's head.
    pub fn size(&self) -> u64 {
        let number =
            SIZE_COUNTS.contains(&&self.creator) || self.geometry.total() >= Geometry::LARGEST.total();
        if number { self.current_size / SECTOR * SECTOR } else { self.geometry.total() * SECTOR }
    }
}

pub(super) fn broken(offset: u64, what: String) -> Error {
    Error::Broken { format: Format::Vhd, offset, what }
}

/// The complement of the sum of all bytes but those of the checksum itself, which is at `field`.
pub(super) fn checksum(bytes: &[u8], field: usize) -> u32 {
    let counted = bytes.iter().enumerate().filter(|(at, _)| !(field..field + 4).contains(at));
    !counted.fold(0, |sum: u32, (_, &byte)| sum.wrapping_add(u32::from(byte)))
}

fn parse(sector: &[u8]) -> Option<(u32, Footer)> {
    let geometry =
        Geometry { cylinders: sector.be16(56)?, heads: sector.byte(58)?, sectors: sector.byte(59)? };
    let footer = Footer {
        disk_type: DiskType::Fixed,
        data_offset: sector.be64(16)?,
        timestamp: sector.be32(24)?,
        creator: sector.array(28)?,
        current_size: sector.be64(48)?,
        geometry,
        uuid: Guid::from_ordered(sector.array(68)?),
    };
    Some((sector.be32(60)?, footer))
}
