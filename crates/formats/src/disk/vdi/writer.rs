//! The writer: blocks of 1 MiB, the first of them on a whole MiB.

use std::io::{self, Seek, Write};

use super::super::Format;
use super::super::blocks::{Blocks, Units, Watch};
use super::super::sink::{Options, Sink, whole_sectors};
use super::header::ImageType;
use crate::ReadAt;
use crate::fields::put;

const BLOCK: u64 = 1 << 20;
/// Block numbers from here on have a meaning of their own.
const MAX_BLOCKS: u64 = 0xffff_fffe;
/// Where the block map is.
const MAP_AT: u64 = 512;

/// Writes the disk; of a static one every block has its place, though the file has holes. `to` must be
/// empty. The block map is held in memory: 4 bytes for each MiB of the disk.
///
/// # Errors
/// What reading and writing say; a disk that is empty, or of 4 PiB and more.
pub fn write(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    image_type: ImageType,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    let size = whole_sectors(Format::Vdi, source, MAX_BLOCKS * BLOCK)?;
    let count = size.div_ceil(BLOCK);
    let data_at = (MAP_AT + count * 4).next_multiple_of(BLOCK);
    let fixed = image_type == ImageType::Static;
    let mut sink = Sink::new(to)?;
    let mut map = match fixed {
        true => (0..count).flat_map(|number| (number as u32).to_le_bytes()).collect(),
        false => vec![0xff; (count * 4) as usize],
    };
    let mut used = if fixed { count } else { 0 };
    Blocks { source, unit: BLOCK, threads: options.threads, watch }.each(|index, units| {
        let (Units::Plain(bytes) | Units::Packed(bytes)) = units;
        for (index, block) in (index..).zip(bytes.chunks(BLOCK as usize)) {
            let number = if fixed { index } else { used };
            put(&mut map, (index * 4) as usize, &(number as u32).to_le_bytes());
            sink.put(data_at + number * BLOCK, block)?;
            used += u64::from(!fixed);
        }
        Ok(())
    })?;
    sink.put(MAP_AT, &map)?;
    sink.put(0, &header(size, data_at, used, image_type, options))?;
    sink.finish(data_at + used * BLOCK)
}

fn header(size: u64, data_at: u64, used: u64, image_type: ImageType, options: &Options) -> Vec<u8> {
    let mut header = vec![0; MAP_AT as usize];
    put(&mut header, 0, b"<<< bootwright Disk Image >>>\n");
    let numbers = [
        (0x40, 0xbeda_107f),
        (0x44, 0x0001_0001),
        (0x48, 0x190),
        (0x4c, if image_type == ImageType::Static { 2 } else { 1 }),
        (0x154, MAP_AT),
        (0x158, data_at),
        (0x168, 512),
        (0x178, BLOCK),
        (0x180, size.div_ceil(BLOCK)),
        (0x184, used),
    ];
    for (at, number) in numbers {
        // All of them were checked to fit, see MAX_BLOCKS.
        put(&mut header, at, &(number as u32).to_le_bytes());
    }
    put(&mut header, 0x170, &size.to_le_bytes());
    put(&mut header, 0x188, &options.uuid("vdi image").bytes);
    put(&mut header, 0x198, &options.uuid("vdi last change").bytes);
    header
}
