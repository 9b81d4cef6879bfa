//! What the device is, by /sys.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use indicatif::HumanBytes;

use super::attribute;
use crate::failure::{Failure, Kind};

/// A block device, or a file that stands for one.
pub struct Device {
    /// Its canonical path.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// Bytes in a sector, as it says.
    pub sector: u64,
    /// Its directory in /sys; none for a file.
    pub sysfs: Option<PathBuf>,
}

impl Device {
    /// Looks at it without writing to it.
    pub fn find(path: &Path) -> Result<Self, Failure> {
        let failed =
            |what: String| Failure::message(Kind::Environment, format!("{}: {what}", path.display()));
        let path = path.canonicalize().map_err(|error| failed(error.to_string()))?;
        let metadata = std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?;
        let kind = metadata.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(failed("it is neither a block device nor a file".to_owned()));
        }
        if kind.is_file() {
            return Ok(Self { path, size: metadata.len(), sector: 512, sysfs: None });
        }
        let number = metadata.rdev();
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        let sysfs = Path::new("/sys/dev/block").join(format!("{major}:{minor}")).canonicalize();
        let sysfs = sysfs.map_err(|error| failed(format!("/sys does not know it: {error}")))?;
        if attribute(sysfs.join("ro")) == "1" {
            return Err(failed("it is write-protected".to_owned()));
        }
        let sectors: u64 = attribute(sysfs.join("size")).parse().unwrap_or(0);
        if sectors == 0 {
            return Err(failed("there is no medium in it".to_owned()));
        }
        let queue = disk_of(&sysfs).join("queue/logical_block_size");
        let sector = attribute(queue).parse().unwrap_or(512);
        // Whatever the sector is, /sys counts in 512 bytes.
        Ok(Self { path, size: sectors * 512, sector, sysfs: Some(sysfs) })
    }

    /// In one line for people.
    pub fn describe(&self) -> String {
        let size = HumanBytes(self.size);
        let Some(sysfs) = &self.sysfs else { return format!("a file of {size}") };
        let disk = disk_of(sysfs);
        let model = ["device/vendor", "device/model"].map(|name| attribute(disk.join(name))).join(" ");
        let removable = if attribute(disk.join("removable")) == "1" { "removable" } else { "not removable" };
        let part = if disk == sysfs.as_path() { "" } else { "one partition of " };
        format!("{part}{} {size}, {removable}", model.trim()).trim_start().to_owned()
    }

    /// Opens it for writing, alone: the kernel refuses a device that anything else has claimed.
    pub fn open(&self) -> Result<File, Failure> {
        let exclusive = if self.sysfs.is_some() { rustix::fs::OFlags::EXCL.bits() as i32 } else { 0 };
        let file = OpenOptions::new().read(true).write(true).custom_flags(exclusive).open(&self.path);
        file.map_err(|error| {
            let what = format!("{}: {error}. Nothing was written", self.path.display());
            Failure::message(Kind::Environment, what)
        })
    }
}

/// The directory in /sys of the whole disk that this is, or is a partition of.
pub fn disk_of(sysfs: &Path) -> &Path {
    match sysfs.parent() {
        Some(parent) if sysfs.join("partition").exists() => parent,
        _ => sysfs,
    }
}
