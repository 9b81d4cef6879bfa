//! The writer.

use std::io::{self, Seek, Write};

use super::super::blocks::{Blocks, Units, Watch};
use super::super::sink::{Options, Sink, whole_sectors};
use super::super::{Format, SECTOR};
use super::footer::{DiskType, Geometry, checksum};
use crate::ReadAt;
use crate::fields::put;

/// What Microsoft's tools write.
const BLOCK: u64 = 2 << 20;
/// A bit for each sector of a block, all set.
const BITMAP: [u8; 512] = [0xff; 512];
/// Where the block allocation table is: behind footer and header.
const TABLE_AT: u64 = 1536;
/// What Windows takes: 2040 GiB. A dynamic disk counts its sectors in 32 bits.
const MAX_SIZE: u64 = 2040 << 30;
/// 2000-01-01 in seconds since 1970.
const EPOCH: u64 = 946_684_800;

/// The kinds that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only blocks that hold data.
    Dynamic,
    /// The data and a footer.
    Fixed,
    /// Fixed, with zeros up to a whole MiB, as Azure demands it.
    Azure,
}

/// Writes the disk. `to` must be empty. The table of a dynamic disk is held in memory: 2 bytes for each MiB.
///
/// # Errors
/// What reading and writing say; a disk that is empty, or larger than 2040 GiB.
pub fn write(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    kind: Kind,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    let size = whole_sectors(Format::Vhd, source, MAX_SIZE)?;
    match kind {
        Kind::Dynamic => dynamic(source, to, size, options, watch),
        Kind::Fixed => fixed(source, to, size, options, watch),
        Kind::Azure => fixed(source, to, size.next_multiple_of(1 << 20), options, watch),
    }
}

fn fixed(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    size: u64,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    super::super::raw::write(source, to, options, watch)?;
    to.seek(io::SeekFrom::Start(size))?;
    to.write_all(&footer(size, DiskType::Fixed, options))?;
    to.flush()
}

fn dynamic(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    size: u64,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    let entries = size.div_ceil(BLOCK);
    let table_size = (entries * 4).next_multiple_of(SECTOR);
    let mut table = vec![0xff; table_size as usize];
    let mut sink = Sink::new(to)?;
    // The data of the first block begin on a page, and so do all: a block is a sector longer than 2 MiB, so
    // each is preceded by what fills a page.
    let mut end = TABLE_AT + table_size;
    Blocks { source, unit: BLOCK, threads: options.threads, watch }.each(|index, units| {
        let (Units::Plain(bytes) | Units::Packed(bytes)) = units;
        for (index, block) in (index..).zip(bytes.chunks(BLOCK as usize)) {
            let bitmap_at = (end + SECTOR).next_multiple_of(4096) - SECTOR;
            // At most 2040 GiB and a page for each block, in sectors.
            put(&mut table, (index * 4) as usize, &((bitmap_at / SECTOR) as u32).to_be_bytes());
            sink.put(bitmap_at, &BITMAP)?;
            sink.put(bitmap_at + SECTOR, block)?;
            end = bitmap_at + SECTOR + BLOCK;
        }
        Ok(())
    })?;
    let footer = footer(size, DiskType::Dynamic, options);
    sink.put(end, &footer)?;
    sink.put(TABLE_AT, &table)?;
    sink.put(SECTOR, &header(entries))?;
    sink.put(0, &footer)?;
    sink.finish(end + SECTOR)
}

fn footer(size: u64, disk_type: DiskType, options: &Options) -> Vec<u8> {
    let fixed = disk_type == DiskType::Fixed;
    let geometry = Geometry::of(size);
    let mut footer = vec![0; SECTOR as usize];
    put(&mut footer, 0, b"conectix");
    put(&mut footer, 8, &2u32.to_be_bytes());
    put(&mut footer, 12, &0x0001_0000u32.to_be_bytes());
    put(&mut footer, 16, &if fixed { u64::MAX } else { SECTOR }.to_be_bytes());
    // Times before 2000 do not exist there; the format ends in 2136.
    let time = u32::try_from(options.time.saturating_sub(EPOCH)).unwrap_or(u32::MAX);
    put(&mut footer, 24, &time.to_be_bytes());
    // Who reads this takes the size in bytes, not the geometry: see SIZE_COUNTS.
    put(&mut footer, 28, b"win \x00\x0a\x00\x00Wi2k");
    put(&mut footer, 40, &size.to_be_bytes());
    put(&mut footer, 48, &size.to_be_bytes());
    put(&mut footer, 56, &geometry.cylinders.to_be_bytes());
    put(&mut footer, 58, &[geometry.heads, geometry.sectors]);
    put(&mut footer, 60, &if fixed { 2u32 } else { 3 }.to_be_bytes());
    put(&mut footer, 68, &options.uuid("vhd").ordered());
    let sum = checksum(&footer, 64);
    put(&mut footer, 64, &sum.to_be_bytes());
    footer
}

fn header(entries: u64) -> Vec<u8> {
    let mut header = vec![0; 1024];
    put(&mut header, 0, b"cxsparse");
    put(&mut header, 8, &u64::MAX.to_be_bytes());
    put(&mut header, 16, &TABLE_AT.to_be_bytes());
    put(&mut header, 24, &0x0001_0000u32.to_be_bytes());
    // At most 2040 GiB in blocks of 2 MiB.
    put(&mut header, 28, &(entries as u32).to_be_bytes());
    put(&mut header, 32, &(BLOCK as u32).to_be_bytes());
    let sum = checksum(&header, 36);
    put(&mut header, 36, &sum.to_be_bytes());
    header
}

impl Geometry {
    /// The geometry of a disk of `size` bytes, by the specification's appendix "CHS Calculation". It has at
    /// most as many sectors as the disk.
    pub fn of(size: u64) -> Self {
        let sectors = size / SECTOR;
        if sectors >= 65535 * 16 * 255 {
            return Self::LARGEST;
        }
        let (per_track, heads) = if sectors >= 65535 * 16 * 63 {
            (255, 16)
        } else {
            let heads = (sectors / 17).div_ceil(1024).max(4);
            if heads <= 16 && sectors / 17 < heads * 1024 {
                (17, heads)
            } else if sectors / 31 < 16 * 1024 {
                (31, 16)
            } else {
                (63, 16)
            }
        };
        let cylinders = sectors / per_track / heads;
        // All are bounded by the cases above.
        Self { cylinders: cylinders as u16, heads: heads as u8, sectors: per_track as u8 }
    }
}
