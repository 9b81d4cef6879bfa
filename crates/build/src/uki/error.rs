use std::io;
use std::path::PathBuf;

use bootwright_formats::pe::{self, Machine, sbat::SbatError};
use bootwright_image::cmdline::OptionError;

/// Why there is no UKI.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A part that is no regular file.
    #[error("{}: not a regular file: its length must be known before it is copied", .0.display())]
    NotAFile(PathBuf),
    /// A part that is not what it should be.
    #[error("{}: {what}", path.display())]
    Part {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A kernel that UEFI cannot start.
    #[error(
        "{}: not an EFI application: take the kernel as it is in /boot (vmlinuz), built with CONFIG_EFI_STUB",
        path.display()
    )]
    Kernel {
        /// The kernel.
        path: PathBuf,
        /// What its head says.
        source: pe::Error,
    },
    /// No stub is installed.
    #[error(
        "{}: there is no systemd-stub for {machine}: install the package systemd-boot-efi (Debian, Ubuntu), \
         systemd-boot-unsigned (Fedora) or systemd (Arch), or name one with --stub",
        path.display()
    )]
    NoStub {
        /// Where it was looked for.
        path: PathBuf,
        /// For which machine.
        machine: Machine,
    },
    /// Stub and kernel are for different machines.
    #[error("{}: the stub is for {stub}, the kernel for {kernel}", path.display())]
    Machine {
        /// The stub.
        path: PathBuf,
        /// What the stub is made for.
        stub: Machine,
        /// What the kernel is made for.
        kernel: Machine,
    },
    /// Stub and parts make no PE file.
    #[error("{}: no UKI can be made of it", stub.display())]
    Layout {
        /// The stub.
        stub: PathBuf,
        /// Why.
        source: pe::LayoutError,
    },
    /// SBAT that is none.
    #[error("revocation data (SBAT) is broken")]
    Sbat(#[from] SbatError),
    /// A command line that the kernel would cut off.
    #[error("the command line has {length} bytes, this kernel takes {limit} and drops the rest")]
    CommandLineLength {
        /// Its bytes.
        length: usize,
        /// The most that the kernel takes.
        limit: u32,
    },
    /// NUL in a text.
    #[error("{0} holds a NUL byte")]
    Nul(&'static str),
    /// A `bootwright.` parameter that is wrong.
    #[error("command line: {0}")]
    Parameter(OptionError),
    /// A file changed while it was copied.
    #[error("{}: had {expected} bytes, {found} came: it was changed meanwhile, build again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its bytes at first.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// The UKI cannot be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The UKI.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// What was written is not what was planned.
    #[error("{}: reads back wrong", path.display())]
    Written {
        /// The UKI.
        path: PathBuf,
        /// What the reader finds.
        source: pe::Error,
    },
}
