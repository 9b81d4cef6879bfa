//! The last steps: a verified root becomes `/sysroot`, or a fetched kernel is loaded.

mod block_device;
pub mod device_mapper;
pub mod found;
pub mod handoff;
pub mod init;
pub mod kexec;
pub mod loop_device;
pub mod memory;
pub mod ram;

use bootwright_image::timeline::Step;
use rustix::io::Errno;

/// Where the new root is mounted until PID 1 moves into it. Not below /run, which moves into it.
pub const SYSROOT: &str = "/sysroot";

/// Why a root or a kernel does not boot.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// A directory or file of ours could not be made.
    #[error("preparing {path}")]
    File {
        /// Which one.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A driver is missing.
    #[error("the root needs a driver")]
    Module(#[from] crate::devices::ModuleError),
    /// No loop device.
    #[error("attaching {path} to a loop device: {step}")]
    Loop {
        /// The root's file.
        path: String,
        /// The system call.
        step: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// device-mapper did not make or change a device.
    #[error("the mapped device {name}: {step}")]
    Mapper {
        /// Its name.
        name: &'static str,
        /// The system call.
        step: &'static str,
        /// What the kernel said; its log says more.
        source: std::io::Error,
    },
    /// A mount failed.
    #[error("mounting {what} at {target}")]
    Mount {
        /// File system and source.
        what: String,
        /// Where.
        target: String,
        /// What the kernel said; its log says more.
        source: Errno,
    },
    /// The root has nothing to run.
    #[error("the root has no init: looked for {0}")]
    NoInit(String),
    /// `init=` names what is not there.
    #[error("init={0} is not in the root")]
    NamedInit(String),
    /// More memory is needed than there is.
    #[error(transparent)]
    Memory(#[from] memory::MemoryError),
    /// kexec did not take it.
    #[error(transparent)]
    Kexec(#[from] kexec::KexecError),
}

pub use block_device::{BlockDevice, Number};

impl BootError {
    /// The step of the boot that it ends.
    pub fn step(&self) -> Step {
        match self {
            Self::Memory(_) => Step::Memory,
            Self::Kexec(_) => Step::Kexec,
            _ => Step::Root,
        }
    }
}

fn file_error(path: &str) -> impl FnOnce(std::io::Error) -> BootError {
    let path = path.to_owned();
    move |source| BootError::File { path, source }
}
