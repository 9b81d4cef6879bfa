//! `bootwright convert`: any disk that can be read becomes any that can be written.

mod target;

use std::path::{Path, PathBuf};

use bootwright_formats::ReadAt;
use bootwright_formats::compression::Compression;
use bootwright_formats::disk::container::{Firmware, Machine};
use bootwright_formats::disk::{Format, Options};
use clap::Args;

use crate::disks::{ContentDigest, Eager, Opened, Progress, Request, Rescue, atomically, fault};
use crate::failure::{Failure, Kind, OrFail as _};
use target::{Compress, Parameters, Target};

/// Convert a disk image into another format.
///
/// Reads raw, qcow2, VMDK, VHD, VHDX and VDI with their parents, also compressed by gzip, xz or zstd. Holes are
/// skipped, zeros become holes, and the output appears once it is whole.
///
/// Example: bootwright convert disk.raw disk.qcow2 --compress zstd
#[derive(Args)]
pub struct Convert {
    /// The disk image or block device.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// What is to be made.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// The format of IN; told by its magic when not given.
    #[arg(long, value_name = "FORMAT")]
    from: Option<Format>,
    /// The format of OUT; told by its extension when not given.
    #[arg(long, value_name = "FORMAT")]
    to: Option<Target>,
    /// Compress the clusters of a qcow2.
    #[arg(long, value_name = "HOW")]
    compress: Option<Compress>,
    /// How many threads read and compress; all cores when not given. The bytes do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// The internal snapshot of a qcow2 to take instead of the disk, by name or number.
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// What the disk's UUIDs are made of; OUT's file name when not given.
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// Where something cannot be read, put zeros, tell the places, and go on. Exit status 1 if there were any.
    #[arg(long)]
    ignore_errors: bool,
    /// Processors of the machine in an OVA or Vagrant box.
    #[arg(long, value_name = "N", default_value_t = 2)]
    cpus: u32,
    /// MiB of memory of that machine.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: u32,
    /// That machine starts by BIOS, not UEFI.
    #[arg(long)]
    bios: bool,
    /// Tell what was done in JSON.
    #[arg(long)]
    json: bool,
}

impl Convert {
    /// Does what was asked.
    pub fn run(self) -> Result<(), Failure> {
        let target = self.target()?;
        self.refuse_same_file()?;
        let spool = self.output.parent().filter(|parent| !parent.as_os_str().is_empty());
        let request = Request {
            path: &self.input,
            format: self.from,
            snapshot: self.snapshot.as_deref(),
            spool: spool.unwrap_or(Path::new(".")),
        };
        let Opened { disk, format, compression } = request.open()?;
        let size = disk.size();
        let lost;
        let digest;
        if self.ignore_errors {
            let rescue = Rescue::new(disk);
            digest = self.write(target, &rescue)?;
            lost = rescue.lost();
        } else {
            digest = self.write(target, &disk)?;
            lost = (Vec::new(), None);
        }
        let done = Done { target, format, compression, size, digest, lost };
        if self.json {
            self.tell_json(&done)?;
        } else {
            self.tell(&done);
        }
        match done.lost {
            (ranges, Some(first)) if !ranges.is_empty() => {
                let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
                let what =
                    format!("{bytes} bytes could not be read and are zeros now; the first fault: {first}");
                Err(Failure::message(Kind::Bad, what))
            }
            _ => Ok(()),
        }
    }

    fn target(&self) -> Result<Target, Failure> {
        let target = self.to.or_else(|| Target::by_extension(&self.output)).ok_or_else(|| {
            let what = format!("the extension of {} tells no format: say --to", self.output.display());
            Failure::message(Kind::Usage, what)
        })?;
        if self.compress.is_some() && target != Target::Qcow2 {
            let what = "--compress is for qcow2; vmdk-stream is always compressed, and the others never";
            return Err(Failure::message(Kind::Usage, what));
        }
        Ok(target)
    }

    /// The output would replace the input, or be written to a device without asking.
    fn refuse_same_file(&self) -> Result<(), Failure> {
        let Ok(output) = self.output.canonicalize() else { return Ok(()) };
        if !output.is_file() {
            let what = format!("{} is no file: bootwright write is for devices", self.output.display());
            return Err(Failure::message(Kind::Usage, what));
        }
        if self.input.canonicalize().is_ok_and(|input| input == output) {
            return Err(Failure::message(Kind::Usage, "IN and OUT are the same file"));
        }
        Ok(())
    }

    fn write(&self, target: Target, disk: &dyn ReadAt) -> Result<ContentDigest, Failure> {
        let name = self.output.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut options = Options::new(self.seed.clone().or(name).unwrap_or_default());
        options.time = source_date_epoch()?;
        if let Some(threads) = self.threads {
            options.threads = threads.get();
        }
        let machine = self.machine();
        let progress = Progress::new(disk.size(), "converting");
        atomically(&self.output, |file| {
            let parameters = Parameters {
                options: &options,
                watch: &progress,
                compress: self.compress,
                machine: &machine,
            };
            let written =
                Eager::new(file).and_then(|mut to| target.write(disk, &mut to, &self.output, &parameters));
            let what = format!("{} to {}", self.input.display(), self.output.display());
            written.map_err(|error| fault(&what, &error))
        })?;
        Ok(progress.finish())
    }

    /// Named as OUT is.
    fn machine(&self) -> Machine {
        let name = self.output.file_stem().map(|name| name.to_string_lossy().into_owned());
        let firmware = if self.bios { Firmware::Bios } else { Firmware::Efi };
        let named = Machine::new(&name.unwrap_or_default());
        Machine { processors: self.cpus, memory: self.memory, firmware, ..named }
    }

    fn tell(&self, done: &Done) {
        let compressed = match done.compression {
            Compression::None => String::new(),
            compression => format!(" in {compression}"),
        };
        println!("{}: {}{compressed}, a disk of {} bytes", self.input.display(), done.format, done.size);
        for range in &done.lost.0 {
            println!("lost: bytes {} to {}", range.start, range.end);
        }
        println!("{}: {}, content {}", self.output.display(), done.target.name(), done.digest);
    }

    fn tell_json(&self, done: &Done) -> Result<(), Failure> {
        let lost: Vec<[u64; 2]> = done.lost.0.iter().map(|range| [range.start, range.end]).collect();
        let value = serde_json::json!({
            "input": self.input,
            "from": done.format.name(),
            "compression": done.compression.name(),
            "output": self.output,
            "to": done.target.name(),
            "size": done.size,
            "content": done.digest.to_string(),
            "lost": lost,
        });
        println!("{}", serde_json::to_string_pretty(&value).or_bad()?);
        Ok(())
    }
}

/// What was done.
struct Done {
    target: Target,
    format: Format,
    compression: Compression,
    size: u64,
    digest: ContentDigest,
    lost: (Vec<std::ops::Range<u64>>, Option<String>),
}

/// `SOURCE_DATE_EPOCH`, or 0: the same disk gives the same bytes at any time.
fn source_date_epoch() -> Result<u64, Failure> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(0) };
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let what = format!("SOURCE_DATE_EPOCH={} is no number of seconds", text.display());
        Failure::message(Kind::Usage, what)
    })
}
