//! `bootwright extract`.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_formats::{ExtentKind, ReadAt};
use bootwright_inspect::{Faults, Source, size_text};
use clap::Args;

use crate::disks::{Rescue, atomically, fault};
use crate::failure::{Failure, Kind, OrFail as _};
use crate::inspect::Place;

/// Take something out of an image: a partition, a file, a section of a UKI, a file of its initrd.
///
/// The address is the one that `bootwright inspect` shows. Holes stay holes; the output appears once it is
/// whole.
///
/// Example: bootwright extract disk.img:1/EFI/BOOT/BOOTX64.EFI/.initrd -o initrd.img
#[derive(Args)]
pub struct Extract {
    /// The file, and the address of what is inside.
    #[arg(value_name = "FILE:ADDRESS")]
    file: String,
    /// Where it goes; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Where something cannot be read, put zeros, tell the places, and go on. Exit status 1 if there were any.
    #[arg(long)]
    ignore_errors: bool,
}

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

impl Extract {
    /// Takes it out.
    pub fn run(self) -> Result<(), Failure> {
        let faults = if self.ignore_errors { Faults::PassedOver } else { Faults::Refused };
        let place = Place::open_with(&self.file, faults)?;
        if !self.ignore_errors {
            return self.write(&*place.source);
        }
        let rescue = Arc::new(Rescue::new(Source::clone(&place.source)));
        self.write(&*rescue)?;
        let (lost, first) = rescue.lost();
        for fault in &place.faults {
            eprintln!("passed over: {fault}");
        }
        for range in &lost {
            eprintln!("lost: bytes {} to {}", range.start, range.end);
        }
        let bytes = lost.iter().map(|range: &Range<u64>| range.end - range.start).sum::<u64>();
        match (first, place.faults.first()) {
            (None, None) => Ok(()),
            (None, Some(fault)) => {
                Err(Failure::message(Kind::Bad, format!("what is there ends early: {fault}")))
            }
            (Some(first), _) => {
                let what =
                    format!("{bytes} bytes could not be read and are zeros now; the first fault: {first}");
                Err(Failure::message(Kind::Bad, what))
            }
        }
    }

    fn write(&self, source: &dyn ReadAt) -> Result<(), Failure> {
        let failed = |error: io::Error| fault(&self.file, &error);
        if self.output == Path::new("-") {
            let mut out = io::stdout().lock();
            return copy(source, &mut out).and_then(|()| out.flush()).map_err(failed);
        }
        atomically(&self.output, |file| copy_sparse(source, file).map_err(failed))?;
        let size = source.size();
        let text = format!("{}: {}, {size} bytes\n", self.output.display(), size_text(size));
        io::stdout().write_all(text.as_bytes()).or_environment()
    }
}

fn copy(source: &dyn ReadAt, out: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        let count = source.read_at(at, &mut piece)?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(piece.get(..count).unwrap_or_default())?;
        at += count as u64;
    }
}

/// Copies what is data, and leaves out what is known to be zeros.
fn copy_sparse(source: &dyn ReadAt, file: &mut File) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    file.set_len(source.size())?;
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < source.size() {
        let extent = source.extent(at)?;
        let end = extent.range.end;
        while extent.kind == ExtentKind::Data && at < end {
            let length = piece.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let part = piece.get_mut(..length).unwrap_or_default();
            source.read_exact_at(at, part)?;
            file.write_all_at(part, at)?;
            at += length as u64;
        }
        if end <= at && extent.kind == ExtentKind::Zero || extent.range.is_empty() {
            return Err(io::Error::other(format!("the image says nothing of byte {at}")));
        }
        at = end;
    }
    Ok(())
}
