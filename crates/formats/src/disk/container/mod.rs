//! A disk together with a description of its machine, as marketplaces and clouds take it: tar archives.
//!
//! | container | what is in it | specification |
//! |---|---|---|
//! | [OVA](ova) | OVF descriptor, streamOptimized VMDK, manifest with SHA-256 | DMTF DSP0243 1.1 |
//! | [Vagrant box](vagrant) | `metadata.json`, `Vagrantfile`, qcow2 or OVF and VMDK | Vagrant's "Box File Format" |
//! | [GCE image](gce) | `disk.raw` as a sparse file of the old GNU format, in gzip | Google's "Requirements to build custom images" |
//!
//! Azure takes a [fixed VHD](super::vhd::Kind::Azure), EC2's import a [raw](super::raw) disk or a
//! [streamOptimized VMDK](super::vmdk::write_stream). Nothing of this is read.

pub mod gce;
mod gzip;
pub mod ova;
mod ovf;
mod tar;
pub mod vagrant;

/// The machine that the disk is for.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its name; the files in the archive begin with it.
    pub name: String,
    /// How many processors.
    pub processors: u32,
    /// MiB of memory.
    pub memory: u32,
    /// What starts it.
    pub firmware: Firmware,
}

/// What starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS.
    Bios,
    /// UEFI.
    Efi,
}

impl Machine {
    /// Two processors, 2 GiB, UEFI. Of the name only letters, digits, `.`, `_` and `-` are kept: it becomes
    /// names of files.
    pub fn new(name: &str) -> Self {
        let lawful = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let name: String = name.chars().map(|letter| if lawful(letter) { letter } else { '_' }).collect();
        let name = if name.is_empty() { "machine".to_owned() } else { name };
        Self { name, processors: 2, memory: 2048, firmware: Firmware::Efi }
    }
}
