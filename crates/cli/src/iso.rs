//! `bootwright iso`: a finished image as an ISO.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bootwright_build::media::{self, Format, Grub, IsoOptions, Material, MediaError};
use bootwright_formats::{Mosaic, iso9660};
use bootwright_image::Manifest;
use clap::Args;

use crate::failure::{Failure, Kind, OrFail as _};

/// Make an ISO of an image: a CD for UEFI and BIOS, and a USB stick when it is written to one.
///
/// The same file is both, and its tree boots when it is copied to a stick with FAT. A recipe makes it with the
/// image: formats = ["iso"] in its table output. BIOS boot needs GRUB's files (grub-pc-bin, grub-common).
///
/// Example: bootwright iso ./worker -o worker.iso
#[derive(Args)]
pub struct Iso {
    /// The image directory that `bootwright build` made.
    image: PathBuf,
    /// The file to make [default: the image's name with .iso, here].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Whether a BIOS boots it; auto: when GRUB is installed.
    #[arg(long, value_enum, default_value = "auto")]
    bios: Bios,
    /// The volume's name: capital letters, digits and _ [default: of the image's name].
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Bios {
    Auto,
    Yes,
    No,
}

impl Iso {
    /// Makes it.
    pub fn run(self) -> Result<(), Failure> {
        let path = self.image.join("image.json");
        let bytes = std::fs::read(&path).map_err(|error| {
            let text =
                format!("{}: {error}: an image is a directory that bootwright build made", path.display());
            Failure::message(Kind::Environment, text)
        })?;
        let manifest = Manifest::from_bytes(&bytes).or_bad()?;
        let material = Material::open(&self.image, &manifest).map_err(media_failure)?;
        let bios = match self.bios {
            Bios::No => None,
            Bios::Yes => Some(Grub::demand().map_err(media_failure)?),
            Bios::Auto if material.has_bios() => Grub::find(),
            Bios::Auto => None,
        };
        let firmware = if bios.is_some() { "UEFI and BIOS" } else { "UEFI alone" };
        let options = IsoOptions { volume_id: self.label, bios, signer: None };
        let iso = media::iso(&material, &options).map_err(media_failure)?;
        let output = self.output.unwrap_or_else(|| PathBuf::from(format!("{}.iso", manifest.name)));
        put(&iso, Format::Iso, &output, manifest.created).or_environment()?;
        println!("{}: for {firmware}", output.display());
        Ok(())
    }
}

/// Writes a medium to `path`, which has it whole or not at all.
pub fn put(medium: &Mosaic, format: Format, path: &Path, time: u64) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(mode()).tempfile_in(parent)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    media::write(medium, format, file.as_file_mut(), &name, time)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(parent)?.sync_all()
}

/// As other files: readable for all whom the umask lets.
fn mode() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// What was given is bad, or the machine lacks something.
pub fn media_failure(error: MediaError) -> Failure {
    let kind = match &error {
        MediaError::Io { .. } | MediaError::NoGrub(_) | MediaError::Tool(_) => Kind::Environment,
        MediaError::Iso(iso9660::WriteError::VolumeId(_)) => Kind::Usage,
        MediaError::NoBios(_) | MediaError::DiskSize { .. } => Kind::Usage,
        _ => Kind::Bad,
    };
    Failure::new(kind, miette::Report::from_err(error))
}
