//! streamOptimized: compressed, written from front to back, what OVAs hold.
//!
//! ```text
//!   header │ descriptor │ marker, grain │ … │ marker, grain table │ … │ marker, directory │ footer │ end
//! ```
//!
//! A marker has 12 bytes in front of a grain: its first sector, and how many bytes follow. In front of
//! anything else it has a sector of its own: how many sectors follow, 0, and what they are.

use std::io::{self, Write};

use super::super::super::SECTOR;
use super::super::super::blocks::{Blocks, Units, Watch};
use super::super::super::pack::{Packing, stored_zlib};
use super::super::super::sink::Options;
use super::{
    DESCRIPTOR_AT, DESCRIPTOR_SECTORS, Description, GRAIN, GRAIN_SECTORS, HeaderFields, TABLE_ENTRIES,
    TABLE_SECTORS, descriptor, header, size_of,
};
use crate::ReadAt;
use crate::fields::put;

const GRAIN_TABLE: u32 = 1;
const GRAIN_DIRECTORY: u32 = 2;
const FOOTER: u32 = 3;

/// Writes the disk. Nothing is ever written twice: `to` may be a pipe or a part of an archive. Gives the
/// number of bytes that were written.
///
/// # Errors
/// What reading and writing say; a disk that is empty, or of 2 TiB and more.
pub fn write_stream(
    source: &dyn ReadAt,
    to: &mut impl Write,
    description: &Description,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<u64> {
    let size = size_of(source)?;
    let mut fields = HeaderFields {
        version: 3,
        flags: 0x3_0001, // line ends can be checked, grains are compressed, markers
        capacity: size / SECTOR,
        descriptor: (DESCRIPTOR_AT, DESCRIPTOR_SECTORS),
        rgd_offset: 0,
        gd_offset: u64::MAX, // in the footer
        overhead: GRAIN_SECTORS,
        algorithm: 1,
    };
    let mut stream = Stream {
        to: io::BufWriter::with_capacity(1 << 20, to),
        sector: 0,
        directory: vec![0; size.div_ceil(GRAIN * TABLE_ENTRIES) as usize],
        table: Vec::new(),
        number: 0,
    };
    stream.put(&header(&fields))?;
    stream.put(&descriptor(size, "streamOptimized", description, options))?;
    stream.put(&vec![0; ((GRAIN_SECTORS - stream.sector) * SECTOR) as usize])?;
    Blocks { source, unit: GRAIN, threads: options.threads, watch }.each_packed(
        Some(Packing::Zlib),
        |index, units| match units {
            Units::Packed(bytes) => stream.grain(index, bytes),
            Units::Plain(bytes) => (index..)
                .zip(bytes.chunks(GRAIN as usize))
                .try_for_each(|(index, grain)| stream.grain(index, &stored_zlib(grain)?)),
        },
    )?;
    stream.end_table()?;
    let directory: Vec<u8> = stream.directory.iter().flat_map(|sector| sector.to_le_bytes()).collect();
    stream.marker(directory.len().div_ceil(SECTOR as usize) as u64, GRAIN_DIRECTORY)?;
    fields.gd_offset = stream.sector;
    stream.put(&directory)?;
    stream.marker(1, FOOTER)?;
    stream.put(&header(&fields))?;
    stream.put(&[0; SECTOR as usize])?;
    stream.to.flush()?;
    Ok(stream.sector * SECTOR)
}

struct Stream<W: Write> {
    to: io::BufWriter<W>,
    /// How many sectors were written.
    sector: u64,
    directory: Vec<u32>,
    /// The grain table that is being filled; empty when nothing is in it.
    table: Vec<u8>,
    /// Its number.
    number: u64,
}

impl<W: Write> Stream<W> {
    /// Writes `bytes`, filled up to a whole sector.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = (bytes.len() as u64).next_multiple_of(SECTOR);
        self.to.write_all(bytes)?;
        let fill = [0; SECTOR as usize];
        self.to.write_all(fill.get(..(length - bytes.len() as u64) as usize).unwrap_or_default())?;
        self.sector += length / SECTOR;
        Ok(())
    }

    fn grain(&mut self, index: u64, packed: &[u8]) -> io::Result<()> {
        if self.number != index / TABLE_ENTRIES || self.table.is_empty() {
            self.end_table()?;
            self.number = index / TABLE_ENTRIES;
            self.table = vec![0; (TABLE_ENTRIES * 4) as usize];
        }
        // Even if nothing compressed the sectors would fit, see MAX_SIZE and `check_sector`.
        let sector = self.check_sector()?;
        put(&mut self.table, (index % TABLE_ENTRIES * 4) as usize, &sector.to_le_bytes());
        let mut grain = Vec::with_capacity(packed.len() + 12);
        grain.extend((index * GRAIN_SECTORS).to_le_bytes());
        grain.extend((packed.len() as u32).to_le_bytes());
        grain.extend(packed);
        self.put(&grain)
    }

    fn end_table(&mut self) -> io::Result<()> {
        if self.table.is_empty() {
            return Ok(());
        }
        self.marker(TABLE_SECTORS, GRAIN_TABLE)?;
        let sector = self.check_sector()?;
        if let Some(entry) =
            usize::try_from(self.number).ok().and_then(|number| self.directory.get_mut(number))
        {
            *entry = sector;
        }
        let table = std::mem::take(&mut self.table);
        self.put(&table)
    }

    /// Where the stream stands, as the tables say it.
    fn check_sector(&self) -> io::Result<u32> {
        u32::try_from(self.sector).map_err(|_| io::Error::other("vmdk: a stream ends at 2 TiB"))
    }

    fn marker(&mut self, sectors: u64, kind: u32) -> io::Result<()> {
        let mut marker = [0; SECTOR as usize];
        put(&mut marker, 0, &sectors.to_le_bytes());
        put(&mut marker, 12, &kind.to_le_bytes());
        self.put(&marker)
    }
}
