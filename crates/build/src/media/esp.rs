//! The EFI system partition of both kinds of media.

use std::path::Path;
use std::sync::Arc;

use bootwright_formats::Shared;
use bootwright_formats::fat::{NewFile, Plan, Volume};
use bootwright_formats::gpt::SectorSize;
use bootwright_image::medium;

use super::{Material, MediaError, efi_name, open};
use crate::uki;

const LABEL: &str = "ESP";

/// systemd-boot's own settings: the newest UKI at once, unless a key is held.
const LOADER_CONF: &str = "timeout 0\n";

/// What firmware starts.
pub(super) enum Loader {
    /// The UKI itself.
    Uki,
    /// systemd-boot, which finds UKIs in `EFI/Linux` (Boot Loader Specification, type 2).
    SystemdBoot(Shared),
}

impl Loader {
    /// systemd-boot, when it is installed beside the stub.
    pub fn find(architecture: &str) -> Result<Self, MediaError> {
        let path = Path::new(uki::STUB_DIRECTORY).join(format!("systemd-boot{}.efi", efi_name(architecture)));
        if path.is_file() { Ok(Self::SystemdBoot(open(&path)?)) } else { Ok(Self::Uki) }
    }
}

/// A volume with what the image needs to boot, and where the UKI begins in it.
pub(super) struct Esp {
    pub volume: Volume,
    pub uki: u64,
}

/// Where a volume is to lie.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// At which byte of the disk.
    pub start: u64,
    /// Its bytes; without it as many as its content needs.
    pub size: Option<u64>,
    /// The disk's sectors.
    pub sector: SectorSize,
}

/// Lays the volume out.
pub(super) fn esp(material: &Material, loader: Loader, place: Place) -> Result<Esp, MediaError> {
    let file = |path: String, content: Shared| NewFile { path, content };
    let default = material.default_path();
    let manifest = medium::root_manifest(material.name());
    let mut files = vec![file(manifest, Arc::clone(&material.root_manifest_bytes) as Shared)];
    let uki_path = match loader {
        Loader::Uki => default,
        Loader::SystemdBoot(program) => {
            let own = format!("EFI/systemd/systemd-boot{}.efi", efi_name(&material.manifest.architecture));
            files.push(file(own, Arc::clone(&program)));
            files.push(file(default, program));
            files.push(file("loader/loader.conf".to_owned(), Arc::new(LOADER_CONF.as_bytes().to_vec())));
            format!("EFI/Linux/{}.efi", material.name())
        }
    };
    files.push(file(uki_path.clone(), Arc::clone(&material.uki)));
    let [a, b, c, d, ..] = material.seed("fat");
    let plan = Plan {
        label: LABEL.to_owned(),
        serial: u32::from_le_bytes([a, b, c, d]),
        epoch: material.manifest.created,
        size: place.size,
        start: place.start,
        sector: place.sector.bytes(),
        files,
    };
    let volume = plan.lay_out()?;
    let uki = volume.placed.get(&uki_path).copied().unwrap_or(0);
    Ok(Esp { volume, uki })
}

impl Esp {
    /// The whole volume.
    pub fn image(&self) -> Shared {
        Arc::new(self.volume.image.clone())
    }
}
