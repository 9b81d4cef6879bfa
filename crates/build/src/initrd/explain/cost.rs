//! What a file costs within a compressed segment.
//!
//! A stream does not say which of its bytes came of which file. Each member is packed once more, fast and
//! alone, for a weight; a segment's length is then shared out by weight, to the byte.

use std::io::{self, Read, Write};

use bootwright_formats::compression::{Compression, Encoder};
use bootwright_formats::{cpio, initrd};

use super::Member;

/// Bytes that a member's header comes to in a compressed segment, about: nearly all of it repeats.
const PACKED_HEADER: u64 = 24;

/// The weight of one member while its data passes.
pub(super) struct Weight {
    fixed: u64,
    data: u64,
    encoder: Option<Encoder<Count>>,
    packed: bool,
}

/// Counts what is written.
#[derive(Default)]
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Weight {
    /// For a member with a name of that length, in a compressed segment or not.
    pub(super) fn new(packed: bool, name: usize) -> Self {
        let header = if packed { PACKED_HEADER } else { (cpio::HEADER + name) as u64 };
        Self { fixed: header, data: 0, encoder: None, packed }
    }

    /// Takes in the member's data.
    pub(super) fn add(&mut self, data: &mut impl Read) -> io::Result<()> {
        if !self.packed {
            self.data += io::copy(data, &mut io::sink())?;
            return Ok(());
        }
        let mut encoder = Compression::Zstd.encoder(Count::default(), 1)?;
        if io::copy(data, &mut encoder)? > 0 {
            self.encoder = Some(encoder);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<u64> {
        let packed = self.encoder.map(Encoder::finish).transpose()?.unwrap_or_default();
        Ok(self.fixed + self.data + packed.0)
    }
}

/// The bytes of the initrd that each member takes: segment by segment they add up to its length.
pub(super) fn shares(segments: &[initrd::Segment], members: &[Member]) -> Vec<u64> {
    let mut totals = vec![0_u128; segments.len()];
    for member in members {
        if let Some(total) = totals.get_mut(member.segment) {
            *total += u128::from(member.weight);
        }
    }
    let mut passed = vec![0_u128; segments.len()];
    let share = |member: &Member| {
        let (total, passed) = (totals.get(member.segment)?, passed.get_mut(member.segment)?);
        let length = u128::from(segments.get(member.segment)?.length);
        let end = |weight: u128| (weight * length).checked_div(*total).unwrap_or(0);
        let begin = end(*passed);
        *passed += u128::from(member.weight);
        u64::try_from(end(*passed) - begin).ok()
    };
    members.iter().map(share).map(Option::unwrap_or_default).collect()
}
