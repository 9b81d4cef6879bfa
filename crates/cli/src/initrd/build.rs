//! `bootwright initrd build`.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bootwright_build::initrd::{
    self, Addition, Choice, Config, Directory, Error, LoadTime, Location, Microcode, Otherwise, Place, Plan,
    Profile, Wanted, host,
};
use bootwright_formats::compression::Compression;
use clap::{Args, ValueEnum};

use super::summary;
use crate::failure::{Failure, Kind, OrFail as _};

/// Build an initrd: the modules and firmware for a kind of machine, with bootwright's agent as /init.
///
/// Needed modules are found through the kernel's own indexes; run depmod first where a package left that
/// to its installation.
///
/// Example: bootwright initrd build --modules /lib/modules/$(uname -r) -o initrd.img
#[derive(Args)]
pub struct Build {
    /// The kernel's modules: DIR/lib/modules/VERSION; firmware and configuration are looked for in DIR.
    #[arg(long, value_name = "DIR/lib/modules/VERSION")]
    modules: PathBuf,
    /// The machines it is for.
    #[arg(long, value_enum, default_value_t = ProfileName::Network)]
    profile: ProfileName,
    /// A module beyond the profile, by name or alias; missing, it is an error.
    #[arg(long, value_name = "MODULE")]
    with: Vec<String>,
    /// A file, or a directory with all that is in it, and its absolute path in the initrd.
    #[arg(long, value_name = "FILE:PATH")]
    add: Vec<String>,
    /// Leave /init out: bring one by --add FILE:/init.
    #[arg(long)]
    no_agent: bool,
    /// Early microcode: a ready cpio archive, or a directory with intel-ucode or amd-ucode in it.
    #[arg(long, value_name = "FILE")]
    microcode: Vec<PathBuf>,
    /// A directory like /lib/firmware, looked into before that of the modules.
    #[arg(long, value_name = "DIR")]
    firmware: Vec<PathBuf>,
    /// The kernel's configuration, when it is not in DIR/boot.
    #[arg(long, value_name = "FILE")]
    kernel_config: Option<PathBuf>,
    /// How it is compressed; auto asks the kernel's configuration.
    #[arg(long, value_enum, default_value_t = CompressionName::Auto)]
    compression: CompressionName,
    /// Where the initrd goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Tell what was built as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileName {
    /// Every wired network card, and what the ways to a root file system need.
    Network,
    /// Storage too.
    Generic,
    /// What this machine's devices need.
    Host,
}

#[derive(Clone, Copy, ValueEnum)]
enum CompressionName {
    Auto,
    None,
    Zstd,
    Xz,
    Gzip,
    Lz4,
}

impl From<CompressionName> for Choice {
    fn from(name: CompressionName) -> Self {
        Self::Fixed(match name {
            CompressionName::Auto => return Self::Auto,
            CompressionName::None => Compression::None,
            CompressionName::Zstd => Compression::Zstd,
            CompressionName::Xz => Compression::Xz,
            CompressionName::Gzip => Compression::Gzip,
            CompressionName::Lz4 => Compression::Lz4Legacy,
        })
    }
}

impl Build {
    /// Builds it and tells its size.
    pub fn run(self) -> Result<(), Failure> {
        let begun = Instant::now();
        let location = self.location()?;
        let tree = Directory::open(&location.root).or_environment()?;
        let firmware = open_all(&self.firmware)?;
        let microcode = open_microcode(&self.microcode)?;

        let mut plan = Plan::new(&tree, &location.modules);
        plan.profile = self.profile()?;
        plan.wanted = self.with.iter().map(|name| wanted(name)).collect();
        plan.additions = self.additions()?;
        plan.agent = if self.no_agent { None } else { Some(super::agent()?) };
        plan.microcode = microcode.iter().map(Source::microcode).collect();
        plan.firmware = firmware.iter().map(|tree| Place { tree, directory: String::new() }).collect();
        plan.config = self.config()?;
        plan.compression = self.compression.into();
        plan.mtime = source_date_epoch()?;

        let report = write(&plan, &self.output)?;
        if self.json {
            let text = serde_json::to_string_pretty(&report).or_environment()?;
            return writeln!(std::io::stdout(), "{text}").or_environment();
        }
        summary::print(&self.output, &report, begun.elapsed()).or_environment()
    }

    fn location(&self) -> Result<Location, Failure> {
        let path = self.modules.canonicalize().map_err(|error| {
            Failure::message(Kind::Environment, format!("--modules {}: {error}", self.modules.display()))
        })?;
        Location::of_modules(&path).ok_or_else(|| {
            let text = format!("--modules {}: give DIR/lib/modules/VERSION", self.modules.display());
            Failure::message(Kind::Usage, text)
        })
    }

    fn profile(&self) -> Result<Profile, Failure> {
        Ok(match self.profile {
            ProfileName::Network => Profile::Network,
            ProfileName::Generic => Profile::Generic,
            ProfileName::Host => Profile::Host(host::modaliases(Path::new("/sys/devices")).or_environment()?),
        })
    }

    fn additions(&self) -> Result<Vec<Addition>, Failure> {
        let mut additions = Vec::new();
        for add in &self.add {
            let (file, place) = add
                .rsplit_once(':')
                .filter(|(file, place)| !file.is_empty() && place.starts_with('/'))
                .ok_or_else(|| Failure::message(Kind::Usage, format!("--add {add}: give FILE:/PATH")))?;
            let read = Addition::read(Path::new(file), place);
            additions.extend(read.map_err(|error| {
                Failure::message(Kind::Environment, format!("--add {add}: reading {file}: {error}"))
            })?);
        }
        Ok(additions)
    }

    fn config(&self) -> Result<Option<Config>, Failure> {
        let Some(path) = &self.kernel_config else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::message(Kind::Environment, format!("--kernel-config {}: {error}", path.display()))
        })?;
        Ok(Some(Config::parse(&path.display().to_string(), &text)))
    }
}

fn wanted(name: &str) -> Wanted {
    Wanted {
        name: name.to_owned(),
        why: "--with".to_owned(),
        otherwise: Otherwise::Fail,
        load: LoadTime::Demand,
    }
}

fn open_all(directories: &[PathBuf]) -> Result<Vec<Directory>, Failure> {
    directories.iter().map(|path| open(path)).collect()
}

fn open(path: &Path) -> Result<Directory, Failure> {
    Directory::open(path)
        .map_err(|error| Failure::message(Kind::Environment, format!("{}: {error}", path.display())))
}

/// Where `--microcode` comes from.
enum Source {
    Archive(String, Vec<u8>),
    Directory(String, Directory),
}

impl Source {
    fn microcode(&self) -> Microcode<'_> {
        match self {
            Self::Archive(name, bytes) => Microcode::Archive { name: name.clone(), bytes: bytes.clone() },
            Self::Directory(name, tree) => Microcode::Directory { name: name.clone(), tree },
        }
    }
}

fn open_microcode(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let open = |path: &PathBuf| {
        let name = path.display().to_string();
        if path.is_dir() {
            return Ok(Source::Directory(name, open(path)?));
        }
        let bytes = std::fs::read(path)
            .map_err(|error| Failure::message(Kind::Environment, format!("--microcode {name}: {error}")))?;
        Ok(Source::Archive(name, bytes))
    };
    paths.iter().map(open).collect()
}

/// `SOURCE_DATE_EPOCH`, or 0: an initrd's times matter to nobody, its bytes do.
fn source_date_epoch() -> Result<u32, Failure> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(0) };
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let text = format!("SOURCE_DATE_EPOCH={} is no number of seconds that cpio holds", text.display());
        Failure::message(Kind::Usage, text)
    })
}

/// Writes it beside its final place and renames it once it is whole.
fn write(plan: &Plan<'_>, path: &Path) -> Result<initrd::Report, Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".initrd-")
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .or_environment()?;
    let mut writer = BufWriter::new(file.as_file_mut());
    let report = initrd::assemble(plan, &mut writer)
        .map_err(|error| Failure::new(kind(&error), miette::Report::from_err(error)))?;
    writer.flush().or_environment()?;
    drop(writer);
    file.as_file().sync_all().or_environment()?;
    file.persist(path).or_environment()?;
    Ok(report)
}

/// Reading and writing is the environment's fault, a place in the initrd the user's, all else is bad.
fn kind(error: &Error) -> Kind {
    match error {
        Error::Read { .. } | Error::Write(_) => Kind::Environment,
        Error::Place(_) | Error::Twice(_) => Kind::Usage,
        _ => Kind::Bad,
    }
}
