//! The writer.

use std::io::{self, Seek, Write};

use super::super::blocks::{Blocks, Units, Watch};
use super::super::sink::{Options, Sink};
use crate::ReadAt;

/// What becomes a hole: a block of most file systems.
const UNIT: u64 = 4096;

/// Writes the disk; zeros become holes. `to` must be empty, or hold zeros.
///
/// # Errors
/// What reading and writing say.
pub fn write(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    let mut sink = Sink::new(to)?;
    let size = source.size();
    let blocks = Blocks { source, unit: UNIT, threads: options.threads, watch };
    blocks.each(|index, units| {
        let (Units::Plain(bytes) | Units::Packed(bytes)) = units;
        // The last unit was filled up with zeros.
        let left = usize::try_from(size - index * UNIT).unwrap_or(usize::MAX);
        sink.put(index * UNIT, bytes.get(..left.min(bytes.len())).unwrap_or_default())
    })?;
    sink.finish(size)
}
