//! `bootwright extract`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bootwright_formats::{ExtentKind, ReadAt as _};
use bootwright_inspect::{Source, size_text};
use clap::Args;

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
}

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

impl Extract {
    /// Takes it out.
    pub fn run(self) -> Result<(), Failure> {
        let place = Place::open(&self.file)?;
        if self.output == Path::new("-") {
            let mut out = io::stdout().lock();
            return copy(&place.source, &mut out)
                .and_then(|()| out.flush())
                .map_err(|error| place.failed(&error));
        }
        let written = |error: io::Error| {
            let text = format!("{}: cannot be written: {error}", self.output.display());
            Failure::message(Kind::Environment, text)
        };
        let parent = self.output.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .tempfile_in(parent.unwrap_or(Path::new(".")))
            .map_err(written)?;
        copy_sparse(&place.source, file.as_file_mut()).map_err(|error| place.failed(&error))?;
        file.as_file().sync_all().map_err(written)?;
        file.persist(&self.output).map_err(|error| written(error.error))?;
        let size = place.source.size();
        let text = format!("{}: {}, {size} bytes\n", self.output.display(), size_text(size));
        io::stdout().write_all(text.as_bytes()).or_environment()
    }
}

fn copy(source: &Source, out: &mut impl Write) -> io::Result<()> {
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
fn copy_sparse(source: &Source, file: &mut std::fs::File) -> io::Result<()> {
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
