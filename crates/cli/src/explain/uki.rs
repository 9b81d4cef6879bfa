//! What a UKI tells the agent: its command line, and what the build put into its initrd.

use bootwright_formats::ReadAt as _;
use bootwright_formats::pe::Uki as File;
use bootwright_image::{MAX_MANIFEST, Pin};
use bootwright_inspect::{Source, Stream};
use bootwright_plan::parse_pin;

use crate::failure::{Failure, Kind, OrFail as _};
use crate::inspect::Place;

/// Where the initrd of a UKI has them.
const PIN: &str = ".initrd/bootwright/pin.json";
const COMPAT_ARIA2: &str = ".initrd/bootwright/compat.aria2";

/// What the agent in a UKI would be told.
pub struct Uki {
    /// `.cmdline`, empty when it has none.
    pub command_line: String,
    /// The pin, when the build put one in.
    pub pin: Option<Pin>,
    /// The initrd says that aria2-initrd's parameters count.
    pub compat_aria2: bool,
}

impl Uki {
    /// Reads the UKI that `argument` names.
    pub fn open(argument: &str) -> Result<Self, Failure> {
        let place = Place::open(argument)?;
        let bad = |error| Failure::new(Kind::Bad, miette::Report::from_err(error));
        let mut stream = Stream::sparse(place.source.clone(), 0);
        let uki = File::read(&mut stream).map_err(bad)?;
        let command_line = uki.text(&mut stream, ".cmdline").map_err(bad)?.unwrap_or_default();
        let pin = place.inside(PIN)?.map(|source| pin(argument, &source)).transpose()?;
        let compat_aria2 = place.inside(COMPAT_ARIA2)?.is_some();
        Ok(Self { command_line: command_line.trim_end().to_owned(), pin, compat_aria2 })
    }
}

fn pin(argument: &str, source: &Source) -> Result<Pin, Failure> {
    let size = usize::try_from(source.size()).unwrap_or(usize::MAX);
    if size > MAX_MANIFEST {
        let text = format!("{argument}: {PIN}: {size} bytes are too many for a pin");
        return Err(Failure::message(Kind::Bad, text));
    }
    let mut bytes = vec![0; size];
    source.read_exact_at(0, &mut bytes).or_environment()?;
    parse_pin(&bytes).or_bad()
}
