//! `bootwright uki`: builds a unified kernel image, and looks into one.

use std::fs::File;
use std::io::{Read as _, Write as _, stdout};
use std::path::{Path, PathBuf};

use bootwright_build::uki::{self, Request, SectionSummary, Summary};
use bootwright_formats::pe::{MAX_TEXT, Uki as UkiFile};
use bootwright_inspect::Stream;
use clap::{Args, Subcommand};

use crate::failure::{Failure, Kind, OrFail as _};
use crate::inspect::Place;

/// Build a unified kernel image (UKI), or look into one.
///
/// A UKI is one EFI program that holds kernel, initrd and command line: firmware starts it as it is,
/// from a disk or over the network.
#[derive(Args)]
pub struct Uki {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Build(Box<Build>),
    Inspect(Inspect),
}

/// Put stub, kernel, initrd and command line into one EFI program.
///
/// Several initrds become one, in their order. Microcode goes into a section of its own if the stub
/// knows it (systemd 256 and later), else in front of the initrd. The same inputs give the same bytes.
///
/// Example: bootwright uki build --linux /boot/vmlinuz --initrd initrd.img --cmdline 'console=ttyS0'
/// --os-release @/etc/os-release -o image.efi
#[derive(Args)]
struct Build {
    /// The kernel, as it lies in /boot.
    #[arg(long, value_name = "FILE")]
    linux: PathBuf,
    /// An initrd; may be repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    initrd: Vec<PathBuf>,
    /// The kernel command line, or @ and the file that holds it.
    #[arg(long, value_name = "TEXT|@FILE", default_value = "", hide_default_value = true)]
    cmdline: String,
    /// An os-release text, or @ and the file; systemd-boot lists no UKI without it.
    #[arg(long, value_name = "TEXT|@FILE")]
    os_release: Option<String>,
    /// The kernel's release (`uname -r`); read from the kernel when not given.
    #[arg(long, value_name = "VERSION")]
    uname: Option<String>,
    /// The stub; default: the systemd-stub that is installed for the kernel's machine.
    #[arg(long, value_name = "FILE")]
    stub: Option<PathBuf>,
    /// SBAT lines to merge with those of stub and kernel, or @ and the file.
    #[arg(long, value_name = "TEXT|@FILE")]
    sbat: Option<String>,
    /// A picture (BMP) to show while the kernel starts.
    #[arg(long, value_name = "FILE")]
    splash: Option<PathBuf>,
    /// A flattened devicetree.
    #[arg(long, value_name = "FILE")]
    devicetree: Option<PathBuf>,
    /// Early microcode: an uncompressed cpio archive with kernel/x86/microcode/.
    #[arg(long, value_name = "FILE")]
    microcode: Option<PathBuf>,
    /// Where the UKI goes. It appears once it is whole.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Tell what was built in JSON.
    #[arg(long)]
    json: bool,
}

/// List the sections of a UKI, and what its texts say.
///
/// Example: bootwright uki inspect image.efi
#[derive(Args)]
struct Inspect {
    /// The UKI, or the address of one inside a disk, as `bootwright inspect` takes it.
    #[arg(value_name = "FILE[:ADDRESS]")]
    file: String,
    /// Tell it in JSON.
    #[arg(long)]
    json: bool,
}

impl Uki {
    /// Does what was asked.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Build(build) => build.run(),
            Action::Inspect(inspect) => inspect.run(),
        }
    }
}

impl Build {
    fn run(self) -> Result<(), Failure> {
        let request = Request {
            linux: self.linux,
            initrds: self.initrd,
            command_line: text_or_file(self.cmdline)?,
            os_release: self.os_release.map(text_or_file).transpose()?,
            uname: self.uname,
            stub: self.stub,
            sbat: self.sbat.map(text_or_file).transpose()?,
            splash: self.splash,
            devicetree: self.devicetree,
            microcode: self.microcode,
        };
        let summary = uki::build(&request, &self.output).map_err(classify)?;
        if self.json { print_json(&serde_json::to_value(&summary).or_bad()?) } else { tell(&summary) }
    }
}

fn tell(summary: &Summary) -> Result<(), Failure> {
    let version = summary.stub_version.as_deref().unwrap_or("of an unknown version");
    let mut text = format!("stub {} ({version})\n", summary.stub.display());
    text += &table(&summary.sections);
    text += &format!("{}: {} bytes for {}\n", summary.file.display(), summary.size, summary.machine);
    stdout().write_all(text.as_bytes()).or_environment()
}

impl Inspect {
    fn run(self) -> Result<(), Failure> {
        let mut file = Stream::sparse(Place::open(&self.file)?.source, 0);
        let bad = |error| Failure::new(Kind::Bad, miette::Report::from_err(error));
        let uki = UkiFile::read(&mut file).map_err(bad)?;
        let image = uki.image();
        let sections: Vec<_> = image.sections.iter().map(SectionSummary::from).collect();
        let mut texts = Vec::new();
        for name in [".cmdline", ".uname", ".osrel", ".sbat"] {
            if let Some(text) = uki.text(&mut file, name).map_err(bad)? {
                texts.push((name, text));
            }
        }
        if self.json {
            let value = serde_json::json!({
                "file": self.file,
                "machine": image.machine.to_string(),
                "signed": image.certificates.is_some(),
                "sections": sections,
                "texts": texts.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            });
            return print_json(&value);
        }
        let signed = if image.certificates.is_some() { "signed" } else { "not signed" };
        let mut text = format!("{}: UKI for {}, {signed}\n", self.file, image.machine);
        text += &table(&sections);
        for (name, content) in texts {
            text += &format!("\n{name}\n");
            content.lines().for_each(|line| text += &format!("  {}\n", printable(line)));
        }
        stdout().write_all(text.as_bytes()).or_environment()
    }
}

fn table(sections: &[SectionSummary]) -> String {
    let row = |section: &SectionSummary| {
        format!("  {:<10} {:>12} bytes at {:#x}\n", section.name, section.size, section.offset)
    };
    sections.iter().map(row).collect()
}

/// Text from a file, without what would steer the terminal.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    writeln!(stdout(), "{value:#}").or_environment()
}

/// The text itself, or the content of the file behind an `@`.
pub fn text_or_file(argument: String) -> Result<String, Failure> {
    let Some(path) = argument.strip_prefix('@') else { return Ok(argument) };
    let path = Path::new(path);
    let mut text = String::new();
    let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
    file.take(MAX_TEXT + 1).read_to_string(&mut text).map_err(|error| cannot_read(path, &error))?;
    if text.len() as u64 > MAX_TEXT {
        let text = format!("{}: more than {MAX_TEXT} bytes, too long for a text", path.display());
        return Err(Failure::message(Kind::Usage, text));
    }
    Ok(text)
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::message(Kind::Environment, format!("{}: cannot be read: {error}", path.display()))
}

fn classify(error: uki::Error) -> Failure {
    use uki::Error as E;
    let kind = match &error {
        E::Read { .. } | E::NoStub { .. } | E::Write { .. } | E::Changed { .. } => Kind::Environment,
        E::NotAFile(_) | E::CommandLineLength { .. } | E::Nul(_) | E::Parameter(_) => Kind::Usage,
        _ => Kind::Bad,
    };
    Failure::new(kind, miette::Report::from_err(error))
}
