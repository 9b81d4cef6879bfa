//! Step 7: disks and ISOs, as the recipe asks.

use std::fs::File;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use bootwright_formats::Mosaic;
use bootwright_formats::gpt::SectorSize;
use bootwright_image::manifest::{Artifact, ArtifactKind};
use bootwright_image::{Digest, Manifest};

use super::publish::Staging;
use super::root::{Root, at};
use super::uki::digest;
use super::{BuildError, Job, Outcome, Step};
use crate::media::{self, DiskOptions, Format, Grub, IsoOptions, Material, MediaError, Signer};
use crate::recipe::Bios;

impl Job<'_> {
    /// Files of the host that decide what media are like.
    pub(super) fn media_inputs(&self) -> Vec<PathBuf> {
        let grub = match self.recipe.output.bios {
            Bios::Never => None,
            Bios::Always | Bios::WhenPossible => Grub::find(),
        };
        let mut inputs = grub.map(|grub| grub.inputs()).unwrap_or_default();
        if let Some(Signer { key, certificate }) = &self.recipe.output.signer {
            inputs.extend([key.clone(), certificate.clone()]);
        }
        inputs
    }

    /// Writes every output into `staging`, all of them at once, and names it in `manifest`.
    pub(super) fn write_outputs(
        &mut self,
        manifest: &mut Manifest,
        root: &Root,
        staging: &Staging,
    ) -> Result<(), BuildError> {
        if self.recipe.output.formats.is_empty() {
            return Ok(());
        }
        let failed = |source| BuildError::Media { file: "media".to_owned(), source };
        let material = Material::open_around(&staging.path(""), manifest, &root.image).map_err(failed)?;
        let bios = self.bios(&material).map_err(failed)?;
        let firmware = if bios.is_some() { "UEFI and BIOS" } else { "UEFI alone" };
        let outputs = self.lay_out(&material, bios)?;
        let names: Vec<&str> = outputs.iter().map(|output| output.file.as_str()).collect();
        let began = self.log.begin(Step::Output, &names.join(", "));
        let created = manifest.created;
        // The processors work on one while the disk takes another.
        let written: Vec<_> = thread::scope(|scope| {
            let start = |output| scope.spawn(move || store(output, &staging.path(&output.file), created));
            let running: Vec<_> = outputs.iter().map(start).collect();
            running.into_iter().map(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        for (output, written) in outputs.iter().zip(written) {
            let (size, digest) = written.map_err(at(&staging.path(&output.file)))?;
            let kind = if output.format == Format::Iso { ArtifactKind::Iso } else { ArtifactKind::Disk };
            let file = output.file.clone();
            let detail = format!("{file}, for {firmware}");
            manifest.artifacts.push(Artifact { file, kind, size, digest });
            self.log.end(Step::Output, began, Outcome::Done, detail, Some(size));
        }
        manifest.artifacts.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(())
    }

    /// What is to be written. The disk is the same in every format.
    fn lay_out(&self, material: &Material, bios: Option<Grub>) -> Result<Vec<Output>, BuildError> {
        let recipe = &self.recipe.output;
        let signer = recipe.signer.clone();
        let mut disk = None;
        let mut outputs = Vec::new();
        for format in &recipe.formats {
            let file = format!("{}.{}", self.name, format.name());
            let medium = match (format, &disk) {
                (Format::Iso, _) => {
                    let (bios, signer) = (bios.clone(), signer.clone());
                    media::iso(material, &IsoOptions { volume_id: None, bios, signer })
                }
                (_, Some(disk)) => Ok(Mosaic::clone(disk)),
                (_, None) => {
                    let (size, sector, partitions) =
                        (recipe.disk_size, recipe.sector, recipe.partitions.clone());
                    let bios = bios.clone().filter(|_| sector == SectorSize::B512);
                    let signer = signer.clone();
                    media::disk(material, &DiskOptions { size, sector, bios, signer, partitions })
                }
            };
            let medium = medium.map_err(|source| BuildError::Media { file: file.clone(), source })?;
            if *format != Format::Iso {
                disk = Some(medium.clone());
            }
            outputs.push(Output { file, format: *format, medium });
        }
        Ok(outputs)
    }

    fn bios(&mut self, material: &Material) -> Result<Option<Grub>, MediaError> {
        match self.recipe.output.bios {
            Bios::Never => Ok(None),
            Bios::Always if !material.has_bios() => {
                Err(MediaError::NoBios(material.architecture().to_owned()))
            }
            Bios::Always => Grub::demand().map(Some),
            Bios::WhenPossible if !material.has_bios() => Ok(None),
            Bios::WhenPossible => {
                let grub = Grub::find();
                if grub.is_none() {
                    let text = "GRUB is not installed (grub-pc-bin, grub-common): disks and ISOs boot from UEFI alone";
                    self.log.warn(text.to_owned());
                }
                Ok(grub)
            }
        }
    }
}

/// A medium that has a name and is not written yet.
struct Output {
    file: String,
    format: Format,
    medium: Mosaic,
}

/// Writes it to `path`, and gives its size and digest once it is on the disk.
fn store(output: &Output, path: &Path, created: u64) -> io::Result<(u64, Digest)> {
    let mut file = File::options().read(true).write(true).create_new(true).open(path)?;
    media::write(&output.medium, output.format, &mut file, &output.file, created)?;
    thread::scope(|scope| {
        let synced = scope.spawn(|| file.sync_all());
        let digest = digest(path)?;
        synced.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok(digest)
    })
}
