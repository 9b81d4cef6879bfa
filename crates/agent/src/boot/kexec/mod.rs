//! Another kernel in place of this one: kexec_file_load(2), from a kernel and an initrd or from a UKI.
//!
//! The kernel does not take a UKI as it is: its `.linux` is loaded, with `.ucode` before `.initrd` and
//! the command line given by us. What the UKI's stub would have measured into the TPM is not measured.

mod load;
mod parts;

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use parts::Parts;

/// Why no kernel was loaded.
#[derive(Debug, thiserror::Error)]
pub enum KexecError {
    /// A fetched file could not be read or put together.
    #[error("reading {path}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It looks like a UKI, but is broken.
    #[error("{path} is no sound UKI")]
    Uki {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        source: bootwright_formats::pe::Error,
    },
    /// A command line with a NUL in it.
    #[error("the next kernel's command line has a NUL in it")]
    CommandLine,
    /// The kernel refused.
    #[error("kexec_file_load of {path}: {}", advice(*.source))]
    Load {
        /// The kernel's file.
        path: PathBuf,
        /// What the kernel said.
        source: Errno,
    },
}

fn advice(error: Errno) -> String {
    let hint = match error {
        Errno::NOEXEC => "it is no kernel for this machine",
        Errno::PERM => "kexec is forbidden here (Secure Boot lockdown, or kernel.kexec_load_disabled)",
        Errno::KEYREJECTED | Errno::NOKEY | Errno::BADMSG => "this kernel takes signed kernels only",
        Errno::NOSYS => "this kernel was built without CONFIG_KEXEC_FILE",
        Errno::NOMEM | Errno::ADDRNOTAVAIL => "there is too little memory for a second kernel",
        _ => return error.to_string(),
    };
    format!("{error}: {hint}")
}

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// A kernel, or a UKI.
    pub kernel: PathBuf,
    /// An initrd, behind that of a UKI.
    pub initrd: Option<PathBuf>,
    /// The command line; absent: that of the UKI, or none.
    pub command_line: Option<String>,
}

/// Loads it; PID 1 starts it by reboot(2). Gives the command line that it gets.
pub fn load(next: &Next) -> Result<String, KexecError> {
    let parts = parts::read(&next.kernel, next.initrd.as_deref())?;
    let Parts { kernel, initrd, command_line } = parts;
    let command_line = next.command_line.clone().or(command_line).unwrap_or_default();
    load::kexec_file_load(&kernel, initrd.as_ref(), &command_line).map_err(|error| match error {
        load::LoadError::CommandLine => KexecError::CommandLine,
        load::LoadError::Refused(source) => KexecError::Load { path: next.kernel.clone(), source },
    })?;
    Ok(command_line)
}

/// Whether the file at `path` is a UKI.
pub fn is_uki(path: &Path) -> bool {
    File::open(path).is_ok_and(|mut file| matches!(parts::uki(&mut file, path), Ok(Some(_))))
}

fn open(path: &Path) -> Result<File, KexecError> {
    File::open(path).map_err(read_error(path))
}

fn read_error(path: &Path) -> impl Fn(std::io::Error) -> KexecError {
    let path = path.to_owned();
    move |source| KexecError::Read { path: path.clone(), source }
}
