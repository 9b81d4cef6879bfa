//! `bootwright initrd explain`.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use bootwright_build::initrd::Why;
use bootwright_build::initrd::explain::{self, ExplainError, Listing, Reasons};
use bootwright_formats::{ReadAt as _, initrd};
use bootwright_inspect::Stream;
use clap::Args;

use super::summary::size;
use crate::failure::{Failure, Kind, OrFail as _};
use crate::inspect::Place;

/// Say of every file of an initrd why it is in and what it costs, the costliest first.
///
/// Takes an initrd of any tool, or a UKI, whose .initrd section it explains. For initrds that bootwright
/// built the reasons are those of the build, for others they are worked out from what is inside.
///
/// Example: bootwright initrd explain initrd.img | less -S
#[derive(Args)]
pub struct Explain {
    /// The initrd or the UKI, or the address of one inside a disk, as `bootwright inspect` takes it.
    #[arg(value_name = "FILE[:ADDRESS]")]
    file: String,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Reads the file and prints what it holds.
    pub fn run(self) -> Result<(), Failure> {
        let listing = explain::explain(open(&self.file)?).map_err(failure)?;
        let mut out = BufWriter::new(io::stdout().lock());
        let printed = if self.json { json(&mut out, &listing) } else { text(&mut out, &self.file, &listing) };
        match printed.and_then(|()| out.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.or_environment(),
        }
    }
}

/// The initrd's bytes: what is named, or the .initrd section of a UKI.
fn open(argument: &str) -> Result<Stream, Failure> {
    let place = Place::open(argument)?;
    let mut magic = [0; 2];
    let length = place.source.read_at(0, &mut magic).map_err(|error| place.failed(&error))?;
    if magic.get(..length) != Some(b"MZ") {
        return Ok(Stream::whole(place.source));
    }
    Ok(Stream::whole(place.part(".initrd")?))
}

fn failure(error: ExplainError) -> Failure {
    let kind = match &error {
        ExplainError::Initrd(initrd::Error::Read { .. }) => Kind::Environment,
        _ => Kind::Bad,
    };
    Failure::new(kind, miette::Report::from_err(error))
}

fn json(out: &mut impl Write, listing: &Listing) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, listing)?;
    writeln!(out)
}

fn text(out: &mut impl Write, name: &str, listing: &Listing) -> io::Result<()> {
    head(out, name, listing)?;
    reasons(out, listing)?;
    files(out, listing)?;
    notes(out, listing)
}

fn head(out: &mut impl Write, name: &str, listing: &Listing) -> io::Result<()> {
    let sum = |bytes: fn(&explain::Segment) -> u64| size(listing.segments.iter().map(bytes).sum());
    write!(
        out,
        "{name}: {}, {} unpacked, {} files",
        sum(|segment| segment.length),
        sum(|segment| segment.unpacked),
        listing.files.len()
    )?;
    if let Some(kernel) = &listing.kernel {
        write!(out, ", kernel {kernel}")?;
    }
    if let Some(profile) = &listing.profile {
        write!(out, ", profile {profile}")?;
    }
    writeln!(out)?;
    for (number, segment) in listing.segments.iter().enumerate() {
        let explain::Segment { offset, length, compression, entries, .. } = segment;
        writeln!(
            out,
            "  segment {number}: at {offset}, {}, {compression}, {entries} entries",
            size(*length)
        )?;
    }
    if listing.reasons == Reasons::WorkedOut {
        writeln!(
            out,
            "Its builder wrote no reasons down: they are worked out from indexes, modules and programs in it."
        )?;
    }
    Ok(())
}

/// The same by reason: what a card's drivers or a tool's libraries cost together.
fn reasons(out: &mut impl Write, listing: &Listing) -> io::Result<()> {
    let mut groups: BTreeMap<String, (u64, usize)> = BTreeMap::new();
    for file in &listing.files {
        let group = groups.entry(group(file.why.as_ref())).or_default();
        group.0 += file.packed;
        group.1 += 1;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, (packed, _))| std::cmp::Reverse(*packed));
    writeln!(out, "\n share    packed  files  reason")?;
    for (reason, (packed, count)) in groups {
        writeln!(out, "{:>5.1}% {:>9} {count:>6}  {reason}", share(packed, listing), size(packed))?;
    }
    Ok(())
}

fn group(why: Option<&Why>) -> String {
    match why {
        None => "unknown".to_owned(),
        Some(Why::Dependency { .. }) => "needed by others in here".to_owned(),
        Some(Why::SoftDependency { .. }) => "soft dependencies".to_owned(),
        Some(Why::Firmware { .. }) => "firmware".to_owned(),
        Some(Why::Requested { .. }) => "asked for".to_owned(),
        Some(Why::Hardware { reason, .. }) => reason.clone(),
        Some(why) => why.to_string(),
    }
}

fn files(out: &mut impl Write, listing: &Listing) -> io::Result<()> {
    writeln!(out, "\n share    packed      size  file: why")?;
    for file in &listing.files {
        let why = file.why.as_ref().map_or("nothing in here tells".to_owned(), ToString::to_string);
        let share = share(file.packed, listing);
        writeln!(out, "{share:>5.1}% {:>9} {:>9}  {}: {why}", size(file.packed), size(file.size), file.path)?;
    }
    Ok(())
}

fn notes(out: &mut impl Write, listing: &Listing) -> io::Result<()> {
    if !listing.built_in.is_empty() {
        writeln!(out, "\nBuilt into the kernel:")?;
    }
    for module in &listing.built_in {
        writeln!(out, "  {}: {}", module.name, module.why)?;
    }
    if !listing.absent.is_empty() {
        writeln!(out, "\nNot in this kernel:")?;
    }
    for module in &listing.absent {
        writeln!(out, "  {}: {}", module.name, module.why)?;
    }
    if !listing.missing_firmware.is_empty() {
        writeln!(out, "\nFirmware that modules in here may ask for and that is not inside:")?;
    }
    for missing in &listing.missing_firmware {
        writeln!(out, "  {}: {}", missing.file, missing.modules.join(" "))?;
    }
    Ok(())
}

/// Percent of the initrd.
fn share(packed: u64, listing: &Listing) -> f64 {
    let whole: u64 = listing.segments.iter().map(|segment| segment.length).sum();
    100.0 * packed as f64 / whole.max(1) as f64
}
