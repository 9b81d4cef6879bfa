//! Kernel, initrd and command line out of a UKI, as files for QEMU's `-kernel`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bootwright_formats::pe::{self, Image, StubVersion, Uki};

use crate::Error;
use crate::machine::Boot;

/// The systemd-stub that looks for more words.
const FIRST_WITH_WORDS: u32 = 254;

/// Bytes in which the stub's own sections lie: real ones have about 150 KiB.
const MAX_STUB: u64 = 4 << 20;

/// A UKI taken apart. The files go when it is dropped.
#[derive(Debug)]
pub struct Parts {
    /// The kernel.
    pub kernel: PathBuf,
    /// Microcode and initrd.
    pub initrd: PathBuf,
    /// The UKI's own command line.
    pub cmdline: String,
    /// The version of its systemd-stub, when it is one.
    pub stub: Option<StubVersion>,
    _directory: tempfile::TempDir,
}

/// Why a UKI could not be taken apart.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// It cannot be read, or the parts cannot be written.
    #[error(transparent)]
    Environment(#[from] Error),
    /// It is no UKI.
    #[error("{}: it is no image of ours", .path.display())]
    NotUki {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pe::Error,
    },
}

impl Parts {
    /// Takes the file `uki` apart.
    ///
    /// # Errors
    /// [`PartsError`].
    pub fn extract(uki: &Path) -> Result<Self, PartsError> {
        let opening = || Error::io(format!("reading {}", uki.display()));
        let mut file = File::open(uki).map_err(opening())?;
        let not_uki = |source| PartsError::NotUki { path: uki.to_owned(), source };
        let sections = Uki::read(&mut file).map_err(not_uki)?;
        let cmdline = sections.text(&mut file, ".cmdline").map_err(not_uki)?.unwrap_or_default();

        let stub = stub_version(&mut file, uki)?;

        let directory = tempfile::tempdir().map_err(Error::io("making a directory for a kernel"))?;
        let kernel = directory.path().join("linux");
        copy(&mut file, &[sections.linux()], &kernel).map_err(opening())?;
        let initrd = directory.path().join("initrd");
        // The order in which the stub hands them to the kernel.
        let initrds: Vec<_> = [".ucode", ".initrd"].iter().filter_map(|name| sections.range(name)).collect();
        copy(&mut file, &initrds, &initrd).map_err(opening())?;
        Ok(Self { kernel, initrd, cmdline, stub, _directory: directory })
    }

    /// The string of the firmware's table 11 by which the stub gets more words for the command line (systemd-stub(7),
    /// since version 254, without Secure Boot); an error says why it would not heed it.
    pub fn more_words(&self, words: &str) -> Result<String, String> {
        match &self.stub {
            Some(stub) if stub.major >= FIRST_WITH_WORDS => {
                Ok(format!("io.systemd.stub.kernel-cmdline-extra={words}"))
            }
            stub => Err(format!(
                "the image's systemd-stub ({}) takes no more words, {FIRST_WITH_WORDS} is the first that does",
                stub.as_ref().map_or("of unknown version", |stub| &stub.text)
            )),
        }
    }

    /// What a machine boots when QEMU loads these, with `append` behind the UKI's own command line.
    pub fn boot(&self, append: &str) -> Boot {
        let cmdline = format!("{} {append}", self.cmdline).trim().to_owned();
        Boot::Kernel { kernel: self.kernel.clone(), initrd: self.initrd.clone(), cmdline }
    }
}

/// The version of the stub at the front of `uki`.
fn stub_version(file: &mut File, uki: &Path) -> Result<Option<StubVersion>, PartsError> {
    let reading = || Error::io(format!("reading {}", uki.display()));
    let not_uki = |source| PartsError::NotUki { path: uki.to_owned(), source };
    file.seek(SeekFrom::Start(0)).map_err(reading())?;
    let image = Image::read(&mut *file).map_err(not_uki)?;
    let mut stub = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(reading())?;
    file.take(MAX_STUB).read_to_end(&mut stub).map_err(reading())?;
    Ok(StubVersion::of(&image, &stub))
}

fn copy(from: &mut File, ranges: &[Range<u64>], to: &Path) -> io::Result<()> {
    let mut to = File::create(to)?;
    for range in ranges {
        from.seek(SeekFrom::Start(range.start))?;
        io::copy(&mut from.take(range.end - range.start), &mut to)?;
    }
    Ok(())
}
