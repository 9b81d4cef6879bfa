//! Partitions that hold nothing yet: swap, and data with an empty file system.
//!
//! ext4 is written by mke2fs(8), FAT by [`fat`], the header of swap by [`swap`]. What is made depends on the
//! partition's GUID and the image's date alone, and on the version of mke2fs.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bootwright_formats::gpt::{Guid, SectorSize, kinds};
use bootwright_formats::{FileBytes, Shared, fat, swap};

use super::MediaError;
use crate::tool::{Tool, ToolError};

const MKE2FS: Tool = Tool { program: "mke2fs", package: "e2fsprogs" };

/// Bytes of a block of ext4: what every kernel with pages of 4 KiB takes, whatever the size of the file system.
const EXT4_BLOCK: u64 = 4096;

/// A partition to be made behind the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPartition {
    /// What it is for.
    pub purpose: Purpose,
    /// Its bytes: whole MiB.
    pub size: u64,
    /// The name of the partition and of what is in it.
    pub label: String,
    /// What is in it.
    pub content: FileSystem,
    /// Whether it grows.
    pub growth: Growth,
}

/// What a partition is for: a type of the Discoverable Partitions Specification (UAPI.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Swap.
    Swap,
    /// Linux data that no specification gives a place.
    Data,
    /// `/home`
    Home,
    /// `/srv`
    Srv,
    /// `/var`
    Var,
    /// `/var/tmp`
    Tmp,
}

/// What is in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSystem {
    /// ext4, by mke2fs.
    Ext4,
    /// FAT, by this program.
    Fat,
    /// The header of a swap area.
    Swap,
    /// Nothing.
    None,
}

/// Whether a file system is grown to its partition when it is mounted (attribute bit 59 of UAPI.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// It stays as it is.
    Fixed,
    /// It is grown.
    Grows,
}

impl Purpose {
    /// The type of its partitions.
    pub fn kind(self) -> Guid {
        match self {
            Self::Swap => kinds::SWAP,
            Self::Data => kinds::LINUX,
            Self::Home => kinds::HOME,
            Self::Srv => kinds::SRV,
            Self::Var => kinds::VAR,
            Self::Tmp => kinds::TMP,
        }
    }

    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Swap => "swap",
            Self::Data => "data",
            Self::Home => "home",
            Self::Srv => "srv",
            Self::Var => "var",
            Self::Tmp => "tmp",
        }
    }
}

/// The names of an empty file system.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// Its label.
    pub label: &'a str,
    /// Its UUID, or what its serial number is made of.
    pub guid: Guid,
    /// Seconds since 1970 of what is in it.
    pub epoch: u64,
}

impl DataPartition {
    /// What lies in the partition at `start` of a disk with such sectors.
    pub(super) fn lay_out(
        &self,
        (guid, epoch): (Guid, u64),
        start: u64,
        sector: SectorSize,
    ) -> Result<Option<Shared>, MediaError> {
        let names = Names { label: &self.label, guid, epoch };
        Ok(match self.content {
            FileSystem::None => None,
            FileSystem::Swap => Some(Arc::new(swap::header(self.size, &self.label, guid)?)),
            FileSystem::Fat => Some(empty_fat(&names, start..start + self.size, sector)?),
            FileSystem::Ext4 => Some(ext4_file(&names, self.size)?),
        })
    }
}

/// An empty FAT volume for `range` of a disk with such sectors.
///
/// # Errors
/// [`MediaError::Fat`] when label or size cannot be.
pub fn empty_fat(names: &Names<'_>, range: Range<u64>, sector: SectorSize) -> Result<Shared, MediaError> {
    let [a, b, c, d, ..] = names.guid.bytes;
    let plan = fat::Plan {
        label: names.label.to_ascii_uppercase(),
        serial: u32::from_le_bytes([a, b, c, d]),
        epoch: names.epoch,
        size: Some(range.end - range.start),
        start: range.start,
        sector: sector.bytes(),
        files: Vec::new(),
    };
    Ok(Arc::new(plan.lay_out()?.image))
}

/// Makes an empty ext4 in `range` of the file or device `path`; nothing else of it is touched.
///
/// # Errors
/// [`ToolError`] when mke2fs is not installed or fails.
pub fn make_ext4(names: &Names<'_>, path: &Path, range: &Range<u64>) -> Result<(), ToolError> {
    let mut command = MKE2FS.command();
    // Its own defaults, and not those of the host's /etc/mke2fs.conf.
    command.env("MKE2FS_CONFIG", "/nonexistent/mke2fs.conf");
    command.env("E2FSPROGS_FAKE_TIME", names.epoch.max(1).to_string());
    let guid = names.guid;
    let extended = format!("offset={},hash_seed={guid},root_owner=0:0,nodiscard", range.start);
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-b", &EXT4_BLOCK.to_string()]);
    command.args(["-U", &guid.to_string(), "-L", names.label, "-E", &extended]);
    command.arg(path).arg(((range.end - range.start) / EXT4_BLOCK).to_string());
    command.stdout(std::process::Stdio::null());
    MKE2FS.run(&mut command, None, &|line| tracing::debug!("mke2fs: {line}"))
}

/// An empty ext4 of `size` bytes, in a file that goes away with it and has holes where nothing is.
fn ext4_file(names: &Names<'_>, size: u64) -> Result<Shared, MediaError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| MediaError::Io { path, source }
    };
    let file = tempfile::NamedTempFile::new().map_err(at(&std::env::temp_dir()))?;
    file.as_file().set_len(size).map_err(at(file.path()))?;
    make_ext4(names, file.path(), &(0..size))?;
    let bytes = File::open(file.path()).and_then(FileBytes::new).map_err(at(file.path()))?;
    Ok(Arc::new(bytes))
}
