//! `bootwright explain cmdline`.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use bootwright_image::Pin;
use bootwright_plan::{Explanation, Instructions, explain, parse_pin};
use clap::Args;

use super::uki::Uki;
use crate::failure::{Failure, Kind, OrFail as _};

/// Say what the agent would do with a kernel command line, and what became of each of its parameters.
///
/// Nothing is asked of the network. It is the agent's own reader that explains. With --uki, the line is that of
/// the UKI unless another is given, as a boot loader may give one, and the pin is that in its initrd; without
/// it the line stands alone. docs/cmdline.md lists the parameters, those of other boot systems among them.
///
/// Exit status 1 when the line has keys that do not exist, values that cannot be used, contradictions, or asks
/// for what the agent refuses.
///
/// Example: bootwright explain cmdline 'ip=enp1s0:dhcp bootwright.image=http://10.0.0.1/images/a/image.json'
#[derive(Args)]
pub struct Cmdline {
    /// The command line, or @ and the file that holds it: @/proc/cmdline.
    #[arg(value_name = "TEXT|@FILE", required_unless_present = "uki")]
    line: Option<String>,
    /// A UKI that it is for, or the address of one inside a disk, as `bootwright inspect` takes it.
    #[arg(long, value_name = "FILE[:ADDRESS]")]
    uki: Option<String>,
    /// The pin of an initrd (its /bootwright/pin.json), when there is no UKI.
    #[arg(long, value_name = "FILE", conflicts_with = "uki")]
    pin: Option<PathBuf>,
    /// The initrd has certificates of who may sign root hashes (/etc/verity.d).
    #[arg(long)]
    signers: bool,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

impl Cmdline {
    /// Explains the line; a fault in it is a failure of the thing.
    pub fn run(self) -> Result<(), Failure> {
        let line = self.line.map(crate::uki::text_or_file).transpose()?;
        let mut instructions = match (&self.uki, &self.pin) {
            (Some(uki), _) => {
                let uki = Uki::open(uki)?;
                let mut instructions =
                    Instructions::combine(uki.pin, line.as_deref().unwrap_or(&uki.command_line));
                instructions.options.compat_aria2 |= uki.compat_aria2;
                instructions
            }
            (None, pin) => {
                let pin = pin.as_deref().map(read_pin).transpose()?;
                Instructions::combine(pin, line.as_deref().unwrap_or_default())
            }
        };
        instructions.signers = self.signers;
        let explanation = explain(&instructions);
        let mut out = BufWriter::new(io::stdout().lock());
        let printed = if self.json { json(&mut out, &explanation) } else { text(&mut out, &explanation) };
        match printed.and_then(|()| out.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            printed => printed.or_environment()?,
        }
        match explanation.faults() {
            0 => Ok(()),
            1 => Err(Failure::message(Kind::Bad, "1 fault in the command line")),
            more => Err(Failure::message(Kind::Bad, format!("{more} faults in the command line"))),
        }
    }
}

fn read_pin(path: &std::path::Path) -> Result<Pin, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::message(Kind::Environment, format!("--pin {}: cannot be read: {error}", path.display()))
    })?;
    parse_pin(&bytes).or_bad()
}

fn json(out: &mut impl Write, explanation: &Explanation) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, explanation)?;
    writeln!(out)
}

fn text(out: &mut impl Write, explanation: &Explanation) -> io::Result<()> {
    for step in &explanation.steps {
        let mark = if step.refused { "refused: " } else { "" };
        writeln!(out, "{:<9} {mark}{}", step.what, printable(&step.text))?;
    }
    if !explanation.parameters.is_empty() {
        writeln!(out, "\nparameters")?;
    }
    for parameter in &explanation.parameters {
        writeln!(out, "  {}", printable(&parameter.parameter))?;
        writeln!(out, "      {}: {}", parameter.understood.name(), printable(&parameter.text))?;
    }
    if !explanation.contradictions.is_empty() {
        writeln!(out, "\ncontradictions")?;
    }
    explanation.contradictions.iter().try_for_each(|text| writeln!(out, "  {}", printable(text)))
}

/// Without what would steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
