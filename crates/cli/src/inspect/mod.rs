//! `bootwright inspect`.

mod here;
mod lines;
mod place;
mod tree;

use std::io::{self, IsTerminal as _, Write as _};

use bootwright_inspect::{Depth, Node, Options, Severity, inspect};
use clap::Args;

use crate::failure::{Failure, Kind, OrFail as _};

pub use place::Place;

/// Say what a file is, how it boots, what it needs, and what is wrong with it.
///
/// Takes kernels, UKIs, initrds, disks, partitions, file systems, boot loader configurations, U-Boot and
/// Android images and more, and looks into what is inside. Behind a colon is the address of something inside:
/// a partition's number, a path, a section of a UKI.
///
/// Exit status 1 when it is broken or cannot boot.
///
/// Example: bootwright inspect disk.img:1/EFI/BOOT/BOOTX64.EFI
#[derive(Args)]
pub struct Inspect {
    /// The file, maybe with the address of what is inside.
    #[arg(value_name = "FILE[:ADDRESS]")]
    file: String,
    /// Read whole contents: unpack initrds and kernels, compare digests and signatures.
    #[arg(long)]
    deep: bool,
    /// Tell everything that is known of what is inside, too.
    #[arg(short, long)]
    verbose: bool,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    /// Looks at the file and prints what it is.
    pub fn run(self) -> Result<(), Failure> {
        let place = Place::open(&self.file)?;
        let depth = if self.deep { Depth::Deep } else { Depth::Headers };
        let options = Options { depth, ..Options::default() };
        let read = |error| place.failed(&error);
        let node = inspect(&place.source, &place.path, place.beside(), &options).map_err(read)?;
        let printed = if self.json {
            json(&node)
        } else {
            let style = tree::Style { verbose: self.verbose, ..tree::Style::of_terminal() };
            let text = tree::render(&self.file, &node, &style);
            io::stdout().lock().write_all(text.as_bytes())
        };
        match printed {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            printed => printed.or_environment()?,
        }
        verdict(&self.file, &node)
    }
}

fn json(node: &Node) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, node)?;
    writeln!(out)?;
    out.flush()
}

/// A fault is a failure of the thing, told by the exit status.
fn verdict(file: &str, node: &Node) -> Result<(), Failure> {
    let errors =
        node.all_problems().iter().filter(|(_, problem)| problem.severity == Severity::Error).count();
    match errors {
        0 => Ok(()),
        1 => Err(Failure::message(Kind::Bad, format!("{file}: 1 error"))),
        more => Err(Failure::message(Kind::Bad, format!("{file}: {more} errors"))),
    }
}

/// The width of the terminal, or 80.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok().filter(|_| io::stdout().is_terminal());
    size.map_or(80, |size| usize::from(size.ws_col)).clamp(40, 120)
}
