//! A unified kernel image: stub, kernel, initrd and command line as one PE file.
//!
//! [`build`] goes this way:
//!
//! 1. [`parts`] opens what goes in and checks that it is what it should be;
//! 2. [`stub`] finds the stub for the kernel's machine;
//! 3. [`formats::pe::Plan`](bootwright_formats::pe::Plan) computes headers and offsets;
//! 4. [`assemble`] copies the parts to their places, file to file inside the kernel (`copy_file_range`),
//!    so that memory does not grow with the initrd, and renames the finished file.
//!
//! The same parts give the same bytes: nothing of time, place or machine goes in.
//!
//! ## Microcode
//!
//! systemd-stub 256 and later pass a section `.ucode` on as the first initrd. For older stubs (Debian
//! 12 has 252) and those of an unknown version the microcode becomes the first segment of `.initrd`:
//! the kernel looks for it at the start of what it is given, and finds it either way.

mod assemble;
mod error;
mod parts;
mod stub;

use std::path::{Path, PathBuf};

use bootwright_formats::pe::{NewSection, Plan, Section};
use serde::Serialize;

pub use error::Error;
pub use stub::{DIRECTORY as STUB_DIRECTORY, installed as installed_stub};

/// What a UKI is to be made of.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The kernel, as the distribution ships it: it must be an EFI application itself.
    pub linux: PathBuf,
    /// The initrds, in the order in which the kernel unpacks them.
    pub initrds: Vec<PathBuf>,
    /// The kernel command line; line ends count as spaces.
    pub command_line: String,
    /// The text of an os-release(5) file. Without it systemd-boot does not list the UKI.
    pub os_release: Option<String>,
    /// What `uname -r` will say; `None` takes it from the kernel, where that tells.
    pub uname: Option<String>,
    /// The stub; `None` looks in [`STUB_DIRECTORY`].
    pub stub: Option<PathBuf>,
    /// SBAT of the user's, merged with that of stub and kernel; `None` adds the one of a plain UKI.
    pub sbat: Option<String>,
    /// A picture to show at boot, in the form BMP.
    pub splash: Option<PathBuf>,
    /// A flattened devicetree.
    pub devicetree: Option<PathBuf>,
    /// An uncompressed archive of early microcode.
    pub microcode: Option<PathBuf>,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The UKI.
    pub file: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// What it is made for, as UEFI spells it: `x64`.
    pub machine: String,
    /// The stub that was taken.
    pub stub: PathBuf,
    /// Its version, when it is one of systemd's.
    pub stub_version: Option<String>,
    /// What `.uname` says.
    pub uname: Option<String>,
    /// Every section, those of the stub included, in the order of the table.
    pub sections: Vec<SectionSummary>,
}

/// One section of a UKI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SectionSummary {
    /// Its name.
    pub name: String,
    /// Where it lies in the file, in bytes.
    pub offset: u64,
    /// Its exact length in bytes.
    pub size: u64,
}

impl From<&Section> for SectionSummary {
    fn from(section: &Section) -> Self {
        Self { name: section.name.clone(), offset: section.range().start, size: section.size() }
    }
}

/// Builds a UKI. `output` appears, or is replaced, once all of it is on the disk.
pub fn build(request: &Request, output: &Path) -> Result<Summary, Error> {
    let kernel = parts::Kernel::open(&request.linux)?;
    let stub = stub::Stub::find(request.stub.as_deref(), kernel.image.machine)?;
    let sbat = parts::merge_sbat(&stub, &kernel, request.sbat.as_deref())?;
    let parts = parts::collect(request, &kernel, stub.knows_ucode())?;
    let sections: Vec<_> =
        parts.iter().map(|part| NewSection { name: part.name, size: part.size() }).collect();
    let kernel_nx_compat = kernel.image.nx_compat();
    let plan = Plan { stub: &stub.bytes, sbat: &sbat, sections: &sections, kernel_nx_compat };
    let layout = plan.lay_out().map_err(|source| Error::Layout { stub: stub.path.clone(), source })?;
    let image = assemble::assemble(&layout, parts, output)?;
    Ok(Summary {
        file: output.to_owned(),
        size: layout.size,
        machine: image.machine.to_string(),
        stub: stub.path,
        stub_version: stub.version.map(|version| version.text),
        uname: request.uname.clone().or_else(|| kernel.release()),
        sections: image.sections.iter().map(SectionSummary::from).collect(),
    })
}
