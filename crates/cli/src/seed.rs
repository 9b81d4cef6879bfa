//! `bootwright seed`: user data for cloud-init on a medium.

use std::path::{Path, PathBuf};

use bootwright_build::media::{Format, Seed as Content, SeedMedium, is_user_data};
use clap::Args;

use crate::failure::{Failure, Kind, OrFail as _};
use crate::iso::{media_failure, put};

/// The most bytes of each file: what cloud-init reads is written by people.
const MAX_FILE: u64 = 16 << 20;

/// Make a NoCloud seed: a small medium from which cloud-init takes its instructions.
///
/// Attach it to the machine as a second disk or as a CD. A name that ends in .iso gives an ISO, any other a FAT
/// volume. Without --meta-data the instance is named after the other files: a changed seed is a new instance.
///
/// Example: bootwright seed --user-data user.yaml -o seed.iso
#[derive(Args)]
pub struct Seed {
    /// cloud-config, a script, or a multi-part message.
    #[arg(long, value_name = "FILE")]
    user_data: PathBuf,
    /// instance-id, local-hostname and so on.
    #[arg(long, value_name = "FILE")]
    meta_data: Option<PathBuf>,
    /// The network, version 1 or 2.
    #[arg(long, value_name = "FILE")]
    network_config: Option<PathBuf>,
    /// The file to make.
    #[arg(short, long, value_name = "FILE", default_value = "seed.iso")]
    output: PathBuf,
}

impl Seed {
    /// Makes it.
    pub fn run(self) -> Result<(), Failure> {
        let content = Content {
            meta_data: self.meta_data.as_deref().map(read).transpose()?,
            network_config: self.network_config.as_deref().map(read).transpose()?,
            ..with_user_data(&self.user_data)?
        };
        make(&content, &self.output)?;
        println!("{}: a NoCloud seed", self.output.display());
        Ok(())
    }
}

/// A seed with the user data of that file, which cloud-init has to understand.
pub fn with_user_data(path: &Path) -> Result<Content, Failure> {
    let user_data = read(path)?;
    if !is_user_data(&user_data) {
        let path = path.display();
        let text =
            format!("{path} is nothing that cloud-init takes: its first line has to be #cloud-config or #!");
        return Err(Failure::message(Kind::Bad, text));
    }
    Ok(Content { user_data, ..Content::default() })
}

/// Writes a seed to `output`: an ISO, or FAT, by the end of its name.
pub fn make(content: &Content, output: &Path) -> Result<(), Failure> {
    let is_iso = output.extension().is_some_and(|extension| extension == "iso");
    let (medium, format) =
        if is_iso { (SeedMedium::Iso, Format::Iso) } else { (SeedMedium::Fat, Format::Raw) };
    let image = content.clone().lay_out(medium, 0).map_err(media_failure)?;
    put(&image, format, output, 0).or_environment()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::message(Kind::Environment, format!("{}: {error}", path.display()));
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(Failure::message(Kind::Bad, format!("{} has more than 16 MiB", path.display())));
    }
    std::fs::read(path).map_err(failed)
}
