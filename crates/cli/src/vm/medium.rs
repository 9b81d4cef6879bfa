//! The medium that a machine boots: an artifact of the image, else one made for the occasion.

use std::path::{Path, PathBuf};

use bootwright_build::media::{self, DiskOptions, Format, Grub, IsoOptions, Material, MediaError};
use bootwright_formats::gpt::{Gpt, SectorSize};
use bootwright_image::Manifest;
use bootwright_image::manifest::ArtifactKind;
use bootwright_vm::machine::{Attach, Firmware};

use crate::disks::Request;
use crate::failure::{Failure, OrFail as _};
use crate::iso::{media_failure, put};

/// The file of the medium, in the image's directory or in `scratch`.
pub(super) fn file(
    image: &Path,
    manifest: &Manifest,
    (attach, firmware): (Attach, Firmware),
    scratch: &Path,
) -> Result<PathBuf, Failure> {
    let (kind, format) = match attach {
        Attach::Disk | Attach::Disk4Kn => (ArtifactKind::Disk, Format::Raw),
        Attach::Cd | Attach::Usb => (ArtifactKind::Iso, Format::Iso),
    };
    if let Some(artifact) = manifest.artifact(kind) {
        return Ok(image.join(&artifact.file));
    }
    let path = scratch.join(format!("{}.{}", manifest.name, format.name()));
    let make = || -> Result<_, MediaError> {
        let material = Material::open(image, manifest)?;
        let bios = match firmware {
            Firmware::Uefi => None,
            Firmware::Bios => Some(Grub::demand()?),
        };
        match format {
            Format::Iso => media::iso(&material, &IsoOptions { bios, ..IsoOptions::default() }),
            _ => media::disk(&material, &DiskOptions { bios, ..DiskOptions::default() }),
        }
    };
    let medium = make().map_err(media_failure)?;
    eprintln!("bootwright: the image has no {} among its artifacts: made one", format.name());
    put(&medium, format, &path, manifest.created).or_environment()?;
    Ok(path)
}

/// What the medium is to the machine: a disk whose GPT counts in sectors of 4096 bytes has such sectors.
pub(super) fn by_its_sectors(attach: Attach, file: &Path, scratch: &Path) -> Result<Attach, Failure> {
    if attach != Attach::Disk {
        return Ok(attach);
    }
    let opened = Request { path: file, format: None, snapshot: None, spool: scratch }.open()?;
    Ok(match Gpt::read(&*opened.disk) {
        Ok(gpt) if gpt.sector == SectorSize::B4096 => Attach::Disk4Kn,
        _ => Attach::Disk,
    })
}
