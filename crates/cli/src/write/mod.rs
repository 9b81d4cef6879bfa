//! `bootwright write`: an image onto a stick or disk, with care for what is on it.
//!
//! 1. [`device`]: what it is. 2. [`usage`]: whether something uses it; then nothing is done. 3. [`contents`]:
//!    what would be lost; asked unless `--yes`. 4. [`copy`]: the data, and zeros where old data would show.
//! 5. [`verify`]: read back from the medium. 6. [`persist`]: a partition in what is left. ext4 is put there before
//!    step 4: mke2fs wants the device for itself, and so do we from then on.

mod contents;
mod copy;
mod device;
mod persist;
mod usage;
mod verify;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use bootwright_formats::disk::{Format, Options};
use bootwright_formats::{FileBytes, ReadAt as _};
use clap::Args;
use indicatif::HumanBytes;

use crate::disks::{ContentDigest, Opened, Progress, Request, fault};
use crate::failure::{Failure, Kind, OrFail as _};
use device::Device;

/// Write an image to a USB stick or disk.
///
/// Takes hybrid ISOs, raw disks, qcow2, VMDK, VHD, VHDX and VDI, also compressed by gzip, xz or zstd. Shows what is
/// on the device and asks; refuses a device that is mounted or otherwise in use; reads back what it wrote.
///
/// Example: bootwright write worker.iso /dev/sdb
#[derive(Args)]
pub struct Write {
    /// The image.
    image: PathBuf,
    /// The device, or a file of fixed size that stands for one.
    device: PathBuf,
    /// The format of IMAGE; told by its magic when not given.
    #[arg(long, value_name = "FORMAT")]
    from: Option<Format>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Add a partition for data, with an empty file system, in the space behind the image.
    #[arg(long)]
    persist: bool,
    /// What is in that partition.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "ext4", requires = "persist")]
    persist_format: persist::Format,
    /// The name of that partition and of the file system in it.
    #[arg(long, value_name = "NAME", default_value = "persist", requires = "persist")]
    persist_label: String,
    /// Where a compressed image is unpacked: there has to be room for all of it.
    #[arg(long, value_name = "DIRECTORY", default_value = "/var/tmp")]
    spool: PathBuf,
    /// Tell what was done in JSON.
    #[arg(long)]
    json: bool,
}

impl Write {
    /// Does what was asked.
    pub fn run(self) -> Result<(), Failure> {
        let device = Device::find(&self.device)?;
        if let Some(user) = usage::of(&device)? {
            let what = format!("{} is in use: {user}. Nothing was written", device.path.display());
            return Err(Failure::message(Kind::Environment, what));
        }
        let request = Request { path: &self.image, format: self.from, snapshot: None, spool: &self.spool };
        let image = request.open()?;
        let size = image.disk.size();
        if size > device.size {
            let (path, there) = (device.path.display(), device.size);
            let what = format!("{path} has {there} bytes, the image {size}. Nothing was written");
            return Err(Failure::message(Kind::Environment, what));
        }
        let plan = if self.persist { Some(self.plan(&image, &device)?) } else { None };
        self.show(&device, size)?;
        warn_of_sectors(&image.disk, &device);
        self.ask(&device)?;
        if let Some(plan) = &plan {
            plan.make_ext4(&device)?;
        }
        let file = device.open()?;
        let used = plan.as_ref().map_or(size, |plan| plan.range.end);
        let digest = self.write(&image, &device, (&file, used))?;
        let partition = plan.map(|plan| plan.carry_out(&file, &device)).transpose()?;
        file.sync_all().map_err(|error| fault("finishing", &error))?;
        self.tell(&image, &device, digest, partition)
    }

    fn plan(&self, image: &Opened, device: &Device) -> Result<persist::Plan, Failure> {
        persist::Plan::new(&image.disk, device.size, self.persist_format, &self.persist_label)
    }

    /// What would be destroyed, on standard error.
    fn show(&self, device: &Device, size: u64) -> Result<(), Failure> {
        let unreadable =
            |error| Failure::message(Kind::Environment, format!("{}: {error}", device.path.display()));
        let bytes = std::fs::File::open(&device.path).and_then(FileBytes::new).map_err(unreadable)?;
        eprintln!("{}: {}", device.path.display(), device.describe());
        let lines = contents::describe(bytes);
        for line in &lines {
            eprintln!("  {line}");
        }
        if lines.is_empty() {
            eprintln!("  nothing that is known");
        }
        eprintln!("{} ({}) will be written over it.", self.image.display(), HumanBytes(size));
        Ok(())
    }

    fn ask(&self, device: &Device) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            let what = "nobody can be asked: say --yes if this device is meant. Nothing was written";
            return Err(Failure::message(Kind::Usage, what));
        }
        eprint!("Everything on {} will be lost. Go on? [y/N] ", device.path.display());
        std::io::stderr().flush().or_environment()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).or_environment()?;
        if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
            return Ok(());
        }
        Err(Failure::message(Kind::Usage, "not confirmed. Nothing was written"))
    }

    /// Nothing of the first `used` bytes is taken for something old.
    fn write(
        &self,
        image: &Opened,
        device: &Device,
        (file, used): (&std::fs::File, u64),
    ) -> Result<ContentDigest, Failure> {
        let options = Options::new("");
        let progress = Progress::new(image.disk.size(), "writing");
        let what = format!("{} to {}", self.image.display(), device.path.display());
        copy::copy(&image.disk, file, copy::tail(device.size, used), options.threads, &progress)
            .map_err(|error| fault(&format!("{what}, which is incomplete now"), &error))?;
        let (digest, pieces) = progress.finish_with_pieces();
        verify::verify(&device.path, image.disk.size(), &pieces)?;
        Ok(digest)
    }

    fn tell(
        &self,
        image: &Opened,
        device: &Device,
        digest: ContentDigest,
        partition: Option<persist::Partition>,
    ) -> Result<(), Failure> {
        if self.json {
            let value = serde_json::json!({
                "image": self.image,
                "from": image.format.name(),
                "device": device.path,
                "size": image.disk.size(),
                "content": digest.to_string(),
                "verified": true,
                "persist": partition.map(|partition| serde_json::json!({
                    "number": partition.number, "start": partition.start, "size": partition.size,
                    "format": partition.format.name(), "label": partition.label,
                })),
            });
            println!("{}", serde_json::to_string_pretty(&value).or_bad()?);
            return Ok(());
        }
        println!("{}: written and read back, content {digest}", device.path.display());
        if let Some(partition) = partition {
            let (number, size) = (partition.number, HumanBytes(partition.size));
            let (format, label) = (partition.format.name(), partition.label);
            println!("partition {number} for data: {size}, {format}, label {label}");
        }
        Ok(())
    }
}

/// A GPT is found at the second sector, so firmware looks for it where the device has that.
fn warn_of_sectors(image: &dyn bootwright_formats::ReadAt, device: &Device) {
    let Ok(gpt) = bootwright_formats::gpt::Gpt::read(image) else { return };
    let (made, has) = (gpt.sector.bytes(), device.sector);
    if made != has && device.sysfs.is_some() {
        eprintln!(
            "The image's GPT is made for sectors of {made} bytes, the device has {has}: nothing will find it."
        );
    }
}

/// The text of a small file of /sys or /proc; nothing when it is not there.
fn attribute(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}
