//! The writer.
//!
//! ```text
//!   0 identifier, headers, region tables │ 1 MiB log, empty │ 2 MiB metadata │ 3 MiB BAT │ blocks
//! ```

use std::io::{self, Seek, Write};

use super::super::Format;
use super::super::blocks::{Blocks, Units, Watch};
use super::super::sink::{Options, Sink, whole_sectors};
use super::header::checksum;
use super::metadata::{
    FILE_PARAMETERS, LOGICAL_SECTOR_SIZE, MAX_SIZE, PHYSICAL_SECTOR_SIZE, VIRTUAL_DISK_ID, VIRTUAL_DISK_SIZE,
};
use super::regions::{BAT, METADATA};
use crate::Guid;
use crate::ReadAt;
use crate::fields::put;

const MIB: u64 = 1 << 20;
const LOG_AT: u64 = MIB;
const METADATA_AT: u64 = 2 * MIB;
const BAT_AT: u64 = 3 * MIB;
const FULLY_PRESENT: u64 = 6;

/// The kinds that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only blocks that hold data.
    Dynamic,
    /// Every block has its place; the file has holes.
    Fixed,
}

/// Writes the disk. `to` must be empty. The BAT is held in memory: 16 MiB at most.
///
/// # Errors
/// What reading and writing say; a disk that is empty, or larger than 64 TiB.
pub fn write(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    kind: Kind,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    let size = whole_sectors(Format::Vhdx, source, MAX_SIZE)?;
    let block = block_size(size);
    let ratio = (512 << 23) / block;
    let blocks = size.div_ceil(block);
    let entries = blocks + (blocks - 1) / ratio;
    let bat_size = (entries * 8).next_multiple_of(MIB);
    let data_at = BAT_AT + bat_size;
    let mut bat = vec![0; (entries * 8) as usize];
    let mut enter = |index: u64, offset: u64| {
        put(&mut bat, ((index + index / ratio) * 8) as usize, &(offset | FULLY_PRESENT).to_le_bytes());
    };
    let fixed = kind == Kind::Fixed;
    if fixed {
        (0..blocks).for_each(|index| enter(index, data_at + index * block));
    }
    let mut sink = Sink::new(to)?;
    let mut end = if fixed { data_at + blocks * block } else { data_at };
    Blocks { source, unit: block, threads: options.threads, watch }.each(|index, units| {
        let (Units::Plain(bytes) | Units::Packed(bytes)) = units;
        for (index, bytes) in (index..).zip(bytes.chunks(block as usize)) {
            if fixed {
                sink.put(data_at + index * block, bytes)?;
                continue;
            }
            enter(index, end);
            sink.put(end, bytes)?;
            end += block;
        }
        Ok(())
    })?;
    sink.put(BAT_AT, &bat)?;
    sink.put(METADATA_AT, &metadata(size, block, kind, options))?;
    let regions = regions(bat_size);
    sink.put(192 << 10, &regions)?;
    sink.put(256 << 10, &regions)?;
    sink.put(64 << 10, &header(1, options))?;
    sink.put(128 << 10, &header(2, options))?;
    sink.put(0, &identifier())?;
    sink.finish(end)
}

/// 2 MiB, so that few zeros are stored; more where the BAT would become large.
fn block_size(size: u64) -> u64 {
    if size <= 4 << 40 { 2 * MIB } else { 32 * MIB }
}

fn identifier() -> Vec<u8> {
    let mut identifier = b"vhdxfile".to_vec();
    identifier.extend("bootwright".encode_utf16().flat_map(u16::to_le_bytes));
    identifier
}

fn header(sequence: u64, options: &Options) -> Vec<u8> {
    let mut header = vec![0; 4096];
    put(&mut header, 0, b"head");
    put(&mut header, 8, &sequence.to_le_bytes());
    put(&mut header, 16, &options.uuid("vhdx file write").bytes);
    put(&mut header, 32, &options.uuid("vhdx data write").bytes);
    put(&mut header, 66, &1u16.to_le_bytes());
    put(&mut header, 68, &(MIB as u32).to_le_bytes());
    put(&mut header, 72, &LOG_AT.to_le_bytes());
    seal(header)
}

fn regions(bat_size: u64) -> Vec<u8> {
    let mut table = vec![0; 64 << 10];
    put(&mut table, 0, b"regi");
    put(&mut table, 8, &2u32.to_le_bytes());
    for (at, guid, offset, length) in [(16, BAT, BAT_AT, bat_size), (48, METADATA, METADATA_AT, MIB)] {
        put(&mut table, at, &guid.bytes);
        put(&mut table, at + 16, &offset.to_le_bytes());
        // The BAT has 16 MiB at most.
        put(&mut table, at + 24, &(length as u32).to_le_bytes());
        put(&mut table, at + 28, &1u32.to_le_bytes());
    }
    seal(table)
}

fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes);
    put(&mut bytes, 4, &sum.to_le_bytes());
    bytes
}

fn metadata(size: u64, block: u64, kind: Kind, options: &Options) -> Vec<u8> {
    /// A property of the disk, not of the file.
    const DISK: u32 = 2;
    const REQUIRED: u32 = 4;
    let leave_allocated = u32::from(kind == Kind::Fixed);
    let parameters = [(block as u32).to_le_bytes(), leave_allocated.to_le_bytes()].concat();
    let disk_id = options.uuid("vhdx disk").bytes;
    let items: [(Guid, &[u8], u32); 5] = [
        (FILE_PARAMETERS, &parameters, REQUIRED),
        (VIRTUAL_DISK_SIZE, &size.to_le_bytes(), DISK | REQUIRED),
        (VIRTUAL_DISK_ID, &disk_id, DISK | REQUIRED),
        (LOGICAL_SECTOR_SIZE, &512u32.to_le_bytes(), DISK | REQUIRED),
        (PHYSICAL_SECTOR_SIZE, &4096u32.to_le_bytes(), DISK | REQUIRED),
    ];
    let mut region = vec![0; (64 << 10) + 64];
    put(&mut region, 0, b"metadata");
    put(&mut region, 10, &(items.len() as u16).to_le_bytes());
    let mut at = 64 << 10;
    for (number, (id, item, flags)) in items.iter().enumerate() {
        let entry = 32 + number * 32;
        put(&mut region, entry, &id.bytes);
        put(&mut region, entry + 16, &(at as u32).to_le_bytes());
        put(&mut region, entry + 20, &(item.len() as u32).to_le_bytes());
        put(&mut region, entry + 24, &flags.to_le_bytes());
        put(&mut region, at, item);
        at += item.len();
    }
    region
}
