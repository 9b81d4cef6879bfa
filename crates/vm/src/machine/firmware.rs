//! Firmware of the machines: SeaBIOS comes with QEMU, OVMF is a package of its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// What the machine wakes up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// OVMF, without Secure Boot.
    Uefi,
    /// SeaBIOS.
    Bios,
}

/// The two halves of OVMF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ovmf {
    /// The program, shared and read-only.
    pub code: PathBuf,
    /// The template of the variable store; each machine writes into its own copy.
    pub variables: PathBuf,
}

/// Where distributions put code and variables: directory, code, variables.
const PLACES: &[(&str, &str, &str)] = &[
    // Debian, Ubuntu
    ("/usr/share/OVMF", "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF", "OVMF_CODE.fd", "OVMF_VARS.fd"),
    // Fedora
    ("/usr/share/edk2/ovmf", "OVMF_CODE.fd", "OVMF_VARS.fd"),
    // Arch
    ("/usr/share/edk2/x64", "OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"),
    // openSUSE
    ("/usr/share/qemu", "ovmf-x86_64-code.bin", "ovmf-x86_64-vars.bin"),
];

impl Ovmf {
    /// Looks where distributions put it.
    ///
    /// # Errors
    /// [`Error::Missing`] with every place that was looked at.
    pub fn find() -> Result<Self, Error> {
        let mut searched: Vec<PathBuf> = Vec::new();
        for (directory, code, variables) in PLACES {
            let place = Path::new(directory);
            let found = Self { code: place.join(code), variables: place.join(variables) };
            if found.code.is_file() && found.variables.is_file() {
                return Ok(found);
            }
            if searched.last().is_none_or(|last| last != place) {
                searched.push(place.to_owned());
            }
        }
        Err(Error::Missing { what: "the UEFI firmware OVMF", searched, package: "ovmf" })
    }

    /// A fresh variable store in `directory`: nothing that another machine did is in it.
    pub(super) fn fresh_variables(&self, directory: &Path) -> Result<PathBuf, Error> {
        let copy = directory.join("variables.fd");
        // Read and write, not copy: the template's read-only mode must not come along.
        fs::read(&self.variables)
            .and_then(|bytes| fs::write(&copy, bytes))
            .map_err(Error::io(format!("copying {}", self.variables.display())))?;
        Ok(copy)
    }
}
