//! A medium into a file of one of the formats.

use std::fs::File;
use std::io;

use bootwright_formats::disk::{Options, qcow2, raw, vdi, vhd, vhdx, vmdk};
use bootwright_formats::{Mosaic, ReadAt as _};

/// What a file is, and by its name in recipes the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The disk as it is, with holes.
    Raw,
    /// A CD that is a stick too.
    Iso,
    /// QEMU.
    Qcow2,
    /// VMware.
    Vmdk,
    /// Hyper-V of old, Azure.
    Vhd,
    /// Hyper-V.
    Vhdx,
    /// VirtualBox.
    Vdi,
}

impl Format {
    /// Whether it can be, or hold, a disk with sectors of 4096 bytes. An ISO has sectors of its own.
    pub fn takes_4kn(self) -> bool {
        matches!(self, Self::Raw | Self::Qcow2 | Self::Iso)
    }

    /// Its name, which is the end of its files' names too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Iso => "iso",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Vdi => "vdi",
        }
    }
}

/// Writes `medium` into `file`, which is empty. Virtual disks are sparse and not compressed: what is in them is
/// compressed already. The file's `name`, and what UUIDs are made of, and
/// `time`, in seconds since 1970, are kept by some formats. The same arguments give the same bytes.
///
/// # Errors
/// What reading and writing say; a disk that the format cannot hold.
pub fn write(medium: &Mosaic, format: Format, file: &mut File, name: &str, time: u64) -> io::Result<()> {
    let options = Options { time, ..Options::new(name) };
    match format {
        Format::Raw | Format::Iso => {
            raw::write(medium, file, &options, &())?;
            file.set_len(medium.size())
        }
        Format::Qcow2 => qcow2::write(medium, file, None, &options, &()),
        Format::Vmdk => vmdk::write_sparse(medium, file, &vmdk::Description::new(name), &options, &()),
        Format::Vhd => vhd::write(medium, file, vhd::Kind::Dynamic, &options, &()),
        Format::Vhdx => vhdx::write(medium, file, vhdx::Kind::Dynamic, &options, &()),
        Format::Vdi => vdi::write(medium, file, vdi::ImageType::Dynamic, &options, &()),
    }
}
