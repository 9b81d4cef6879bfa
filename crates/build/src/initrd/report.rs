//! What a build of an initrd tells about itself.

use bootwright_formats::compression::Compression;
use serde::Serialize;

use super::config::Chosen;
use super::contents::{MissingFirmware, NameReason};
use super::firmware;
use super::modules::Kernel;
use super::modules::load::Loaded;
use super::modules::selection::Selection;

/// What was built.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `uname -r` of the kernel.
    pub kernel: String,
    /// Modules that were taken as files.
    pub modules: usize,
    /// Their bytes, unpacked.
    pub module_bytes: u64,
    /// Firmware files, links among them counted.
    pub firmware: usize,
    /// Their bytes, unpacked.
    pub firmware_bytes: u64,
    /// What was asked for and is built in.
    pub built_in: Vec<NameReason>,
    /// What the rules would have taken, had the kernel had it.
    pub absent: Vec<NameReason>,
    /// Firmware that modules may ask for and that was not found.
    pub missing_firmware: Vec<MissingFirmware>,
    /// How it is compressed.
    #[serde(serialize_with = "name_of")]
    pub compression: Compression,
    /// What was taken for granted since no kernel configuration was found.
    pub assumed: Option<String>,
    /// Bytes of the archive, unpacked, microcode not among them.
    pub unpacked: u64,
    /// Bytes of the whole initrd.
    pub size: u64,
}

fn name_of<S: serde::Serializer>(compression: &Compression, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(compression.name())
}

impl Report {
    pub(super) fn new(
        kernel: &Kernel<'_>,
        selection: &Selection,
        loaded: &[Loaded],
        found: &firmware::Found,
        chosen: Chosen,
    ) -> Self {
        let firmware_bytes = found.files.values().map(|file| match &file.content {
            firmware::Content::Bytes(bytes) => bytes.len() as u64,
            firmware::Content::SameAs(_) => 0,
        });
        Self {
            kernel: kernel.version.clone(),
            modules: loaded.len(),
            module_bytes: loaded.iter().map(|module| module.bytes.len() as u64).sum(),
            firmware: found.files.len(),
            firmware_bytes: firmware_bytes.sum(),
            built_in: selection.built_in.clone(),
            absent: selection.absent.clone(),
            missing_firmware: missing(found),
            compression: chosen.compression,
            assumed: chosen.assumed,
            unpacked: 0,
            size: 0,
        }
    }
}

fn missing(found: &firmware::Found) -> Vec<MissingFirmware> {
    let missing = found.missing.iter();
    missing
        .map(|(file, modules)| MissingFirmware {
            file: file.clone(),
            modules: modules.iter().cloned().collect(),
        })
        .collect()
}
