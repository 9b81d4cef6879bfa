//! monolithicSparse: one file that a machine can write to.
//!
//! ```text
//!   header │ descriptor │ redundant directory and tables │ directory and tables │ grains
//! ```

use std::io::{self, Seek, Write};

use super::super::super::SECTOR;
use super::super::super::blocks::{Blocks, Units, Watch};
use super::super::super::sink::{Options, Sink};
use super::{
    DESCRIPTOR_AT, DESCRIPTOR_SECTORS, Description, GRAIN, GRAIN_SECTORS, HeaderFields, TABLE_ENTRIES,
    TABLE_SECTORS, descriptor, header, size_of,
};
use crate::ReadAt;
use crate::fields::put;

/// Writes the disk. `to` must be empty. The grain tables are held in memory: 64 KiB for each GiB.
///
/// # Errors
/// What reading and writing say; a disk that is empty, or of 2 TiB and more.
pub fn write_sparse(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    description: &Description,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    let size = size_of(source)?;
    let tables = size.div_ceil(GRAIN * TABLE_ENTRIES);
    let directory_sectors = (tables * 4).div_ceil(SECTOR);
    let rgd_at = DESCRIPTOR_AT + DESCRIPTOR_SECTORS;
    let gd_at = rgd_at + directory_sectors + tables * TABLE_SECTORS;
    let overhead = (gd_at + directory_sectors + tables * TABLE_SECTORS).next_multiple_of(GRAIN_SECTORS);
    let mut entries = vec![0; (tables * TABLE_ENTRIES * 4) as usize];
    let mut sink = Sink::new(to)?;
    let mut end = overhead;
    Blocks { source, unit: GRAIN, threads: options.threads, watch }.each(|index, units| {
        let (Units::Plain(bytes) | Units::Packed(bytes)) = units;
        for number in 0..bytes.len() as u64 / GRAIN {
            // The sectors were checked to fit, see MAX_SIZE.
            let sector = (end + number * GRAIN_SECTORS) as u32;
            put(&mut entries, ((index + number) * 4) as usize, &sector.to_le_bytes());
        }
        sink.put(end * SECTOR, bytes)?;
        end += bytes.len() as u64 / SECTOR;
        Ok(())
    })?;
    for at in [rgd_at, gd_at] {
        let first = at + directory_sectors;
        let directory: Vec<u8> =
            (0..tables).flat_map(|table| ((first + table * TABLE_SECTORS) as u32).to_le_bytes()).collect();
        sink.put(at * SECTOR, &directory)?;
        sink.put(first * SECTOR, &entries)?;
    }
    sink.put(DESCRIPTOR_AT * SECTOR, &descriptor(size, "monolithicSparse", description, options))?;
    let fields = HeaderFields {
        version: 1,
        flags: 3, // line ends can be checked, the redundant directory is there
        capacity: size / SECTOR,
        descriptor: (DESCRIPTOR_AT, DESCRIPTOR_SECTORS),
        rgd_offset: rgd_at,
        gd_offset: gd_at,
        overhead,
        algorithm: 0,
    };
    sink.put(0, &header(&fields))?;
    sink.finish(end * SECTOR)
}
