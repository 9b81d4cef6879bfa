//! Why an initrd is not built.

use std::io;

use bootwright_formats::cpio;

use super::modules::dependencies::ParseError;
use super::modules::modinfo::ModInfoError;

/// Why an initrd is not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the tree cannot be read.
    #[error("reading {path}")]
    Read {
        /// Relative to the tree.
        path: String,
        /// Its own error.
        source: io::Error,
    },
    /// depmod has not run.
    #[error(
        "{directory}/modules.dep is missing: packages leave it to depmod, so run \
         \"depmod -b ROOT {version}\", with ROOT the directory that holds {directory}"
    )]
    NoDependencies {
        /// `lib/modules/VERSION`.
        directory: String,
        /// The kernel's version.
        version: String,
    },
    /// An index is malformed.
    #[error("{file} is malformed: run depmod again")]
    Index {
        /// Relative to the tree.
        file: String,
        /// The line.
        source: ParseError,
    },
    /// A module that the initrd cannot do without.
    #[error(
        "the kernel {kernel} has no module {module}, built in or not, which is needed: {why}. \
         Take a kernel that has it (Debian's cloud kernels lack drivers, the generic ones have them)"
    )]
    NoModule {
        /// The kernel's version.
        kernel: String,
        /// Its name, or several names of which one would do.
        module: String,
        /// Who needs it and for what.
        why: String,
    },
    /// A file that modules.dep names is not there.
    #[error(
        "{path} is missing, and {by} needs it: install the kernel's modules whole, then run depmod again"
    )]
    NoModuleFile {
        /// Relative to the tree.
        path: String,
        /// The module, or the rule, that needs it.
        by: String,
    },
    /// The compression of a module or a firmware file is broken.
    #[error("{path} cannot be unpacked")]
    Unpack {
        /// Relative to the tree.
        path: String,
        /// Its own error.
        source: io::Error,
    },
    /// A file that should be a module is none.
    #[error("{path} is no kernel module")]
    Module {
        /// Relative to the tree.
        path: String,
        /// What is wrong with it.
        source: ModInfoError,
    },
    /// A module of another kernel.
    #[error("{path} was built for the kernel {found:?}, this one is {kernel:?}: it would not load")]
    VersionMagic {
        /// Relative to the tree.
        path: String,
        /// What the module says.
        found: String,
        /// The kernel's version.
        kernel: String,
    },
    /// The kernel was built without something that every boot needs, or that was asked for.
    #[error("{config} says that the kernel lacks {option}: {why}")]
    KernelOption {
        /// Where the kernel's configuration was read.
        config: String,
        /// `CONFIG_…`.
        option: String,
        /// What for.
        why: String,
    },
    /// A file's place in the initrd.
    #[error("{0:?} is no place in the initrd: give an absolute path without \"..\"")]
    Place(String),
    /// Two inputs for one place.
    #[error("{0} would be in the initrd twice: two inputs want that place")]
    Twice(String),
    /// Microcode that is none.
    #[error("{name} holds no microcode: {what}")]
    Microcode {
        /// The input.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A member that a cpio archive cannot hold.
    #[error("the initrd cannot hold this file")]
    Archive(#[from] cpio::WriteError),
    /// The initrd cannot be written.
    #[error("writing the initrd")]
    Write(#[source] io::Error),
}
