//! Step 7: disks and ISOs, as the recipe asks.

use std::fs::File;
use std::path::PathBuf;

use bootwright_formats::Mosaic;
use bootwright_image::Manifest;
use bootwright_image::manifest::{Artifact, ArtifactKind};

use super::publish::Staging;
use super::root::at;
use super::uki::digest;
use super::{BuildError, Job, Outcome, Step};
use crate::media::{self, DiskOptions, Format, Grub, IsoOptions, Material, MediaError, Signer};
use crate::recipe::{Bios, Output};

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

    /// Writes every output into `staging`, and names it in `manifest`.
    pub(super) fn write_outputs(
        &mut self,
        manifest: &mut Manifest,
        staging: &Staging,
    ) -> Result<(), BuildError> {
        let formats = &self.recipe.output.formats;
        if formats.is_empty() {
            return Ok(());
        }
        let in_file = |file: &str| {
            let file = file.to_owned();
            move |source| BuildError::Media { file, source }
        };
        let material = Material::open(&staging.path(""), manifest).map_err(in_file("media"))?;
        let bios = self.bios(&material).map_err(in_file("media"))?;
        let signer = &self.recipe.output.signer;
        let mut disk = None;
        for format in formats {
            let file = format!("{}.{}", self.name, format.name());
            let began = self.log.begin(Step::Output, &file);
            let path = staging.path(&file);
            let medium = match (format, &disk) {
                (Format::Iso, _) => media::iso(
                    &material,
                    &IsoOptions { volume_id: None, bios: bios.clone(), signer: signer.clone() },
                ),
                (_, Some(disk)) => Ok(Mosaic::clone(disk)),
                (_, None) => {
                    let Output { disk_size: size, partitions, .. } = &self.recipe.output;
                    let (bios, signer) = (bios.clone(), signer.clone());
                    let partitions = partitions.clone();
                    media::disk(&material, &DiskOptions { size: *size, bios, signer, partitions })
                }
            };
            let medium = medium.map_err(in_file(&file))?;
            let mut out =
                File::options().read(true).write(true).create_new(true).open(&path).map_err(at(&path))?;
            media::write(&medium, *format, &mut out, &file, manifest.created).map_err(at(&path))?;
            out.sync_all().map_err(at(&path))?;
            if *format != Format::Iso {
                disk = Some(medium);
            }
            let (size, digest) = digest(&path).map_err(at(&path))?;
            let kind = if *format == Format::Iso { ArtifactKind::Iso } else { ArtifactKind::Disk };
            let detail = format!("{file}, for UEFI{}", if bios.is_some() { " and BIOS" } else { " alone" });
            manifest.artifacts.push(Artifact { file, kind, size, digest });
            self.log.end(Step::Output, began, Outcome::Done, detail, Some(size));
        }
        manifest.artifacts.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(())
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
