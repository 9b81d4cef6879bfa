//! What goes into a UKI: opened, checked, its length known.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use bootwright_formats::compression::Compression;
use bootwright_formats::{cpio, linux, pe};
use bootwright_image::cmdline::{BootOptions, CommandLine};

use super::stub::Stub;
use super::{Error, Request};

/// The longest command line where the kernel does not tell it: `COMMAND_LINE_SIZE` of x86 and arm64,
/// less its NUL.
const COMMAND_LINE_MAX: u32 = 2047;

/// Between two initrds: NULs up to a multiple of 4, where the kernel looks for an archive, and four more,
/// which end an LZ4 legacy frame.
const GAP: u64 = 4;

/// A section to be.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) pieces: Vec<Piece>,
}

/// Bytes of a section.
pub(super) enum Piece {
    /// In memory.
    Bytes(Vec<u8>),
    /// A whole file.
    File { path: PathBuf, file: File, size: u64 },
}

impl Part {
    /// Bytes of the section.
    pub(super) fn size(&self) -> u64 {
        self.pieces.iter().map(Piece::size).sum()
    }

    fn text(name: &'static str, text: &str) -> Self {
        Self { name, pieces: vec![Piece::Bytes(text.as_bytes().to_vec())] }
    }
}

impl Piece {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }

    fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::of(path, file)
    }

    fn of(path: &Path, file: File) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::NotAFile(path.to_owned()));
        }
        Ok(Self::File { path: path.to_owned(), file, size: metadata.len() })
    }

    /// Opens a file whose first bytes must be what `check` wants; `what` says what it is not.
    fn open_checked(path: &Path, check: fn(&[u8]) -> bool, what: &str) -> Result<Self, Error> {
        let mut piece = Self::open(path)?;
        if let Self::File { file, .. } = &mut piece {
            let failed = |source| Error::Read { path: path.to_owned(), source };
            let mut head = Vec::new();
            (&mut *file).take(8).read_to_end(&mut head).map_err(failed)?;
            file.rewind().map_err(failed)?;
            if !check(&head) {
                return Err(Error::Part { path: path.to_owned(), what: what.to_owned() });
            }
        }
        Ok(piece)
    }
}

/// The kernel.
pub(super) struct Kernel {
    path: PathBuf,
    file: File,
    pub(super) image: pe::Image,
    /// What its head says; `None` for other architectures than x86.
    facts: Option<linux::Kernel>,
    sbat: Vec<u8>,
}

impl Kernel {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Kernel { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let image = pe::Image::read(&mut file).map_err(failed)?;
        let sbat =
            image.section(".sbat").map(|section| section.read(&mut file)).transpose().map_err(failed)?;
        let facts = linux::Kernel::read(&mut file).ok();
        Ok(Self { path: path.to_owned(), file, image, facts, sbat: sbat.unwrap_or_default() })
    }

    /// The whole of it: the same file that was looked into, whatever its name means by now.
    fn piece(&self) -> Result<Piece, Error> {
        let failed = |source| Error::Read { path: self.path.clone(), source };
        let mut file = self.file.try_clone().map_err(failed)?;
        file.rewind().map_err(failed)?;
        Piece::of(&self.path, file)
    }

    /// What `uname -r` will say.
    pub(super) fn release(&self) -> Option<String> {
        self.facts.as_ref().map(|facts| facts.release().to_owned())
    }
}

/// The sections of a UKI, in the order of the file; those without content are left out.
pub(super) fn collect(request: &Request, kernel: &Kernel, ucode: bool) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    if let Some(text) = &request.os_release {
        parts.push(Part::text(".osrel", text));
    }
    if let Some(text) = request.uname.clone().or_else(|| kernel.release()) {
        parts.push(Part::text(".uname", &text));
    }
    parts.push(Part::text(".cmdline", &command_line(&request.command_line, kernel)?));
    if let Some(path) = &request.splash {
        let picture = Piece::open_checked(path, |head| head.starts_with(b"BM"), "not a BMP picture")?;
        parts.push(Part { name: ".splash", pieces: vec![picture] });
    }
    if let Some(path) = &request.devicetree {
        let check: fn(&[u8]) -> bool = |head| head.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]);
        let tree = Piece::open_checked(path, check, "not a flattened devicetree: compile it with dtc")?;
        parts.push(Part { name: ".dtb", pieces: vec![tree] });
    }
    let mut initrds = Vec::new();
    if let Some(path) = &request.microcode {
        let microcode = open_microcode(path)?;
        if ucode {
            parts.push(Part { name: ".ucode", pieces: vec![microcode] });
        } else {
            initrds.push(microcode);
        }
    }
    for path in &request.initrds {
        initrds.push(Piece::open_checked(path, is_initrd, "not an initrd: neither cpio nor compressed")?);
    }
    parts.push(Part { name: ".linux", pieces: vec![kernel.piece()?] });
    parts.push(Part { name: ".initrd", pieces: join(initrds) });
    parts.retain(|part| part.size() > 0);
    Ok(parts)
}

/// The merged `.sbat`.
pub(super) fn merge_sbat(stub: &Stub, kernel: &Kernel, user: Option<&str>) -> Result<Vec<u8>, Error> {
    use pe::sbat;
    let mut components = Vec::new();
    if let Some(content) = stub.content(".sbat") {
        components.extend(sbat::components(content, "the stub")?);
    }
    if !kernel.sbat.is_empty() {
        components.extend(sbat::components(&kernel.sbat, "the kernel")?);
    }
    match user {
        Some(text) => components.extend(sbat::components(text.as_bytes(), "the user")?),
        None => components.push(sbat::UKI),
    }
    Ok(sbat::merge(components))
}

/// The command line as one line that the kernel takes whole.
fn command_line(text: &str, kernel: &Kernel) -> Result<String, Error> {
    let line = text.trim_end().replace('\n', " ");
    if line.contains('\0') {
        return Err(Error::Nul("the command line"));
    }
    let limit = kernel.facts.as_ref().and_then(|facts| facts.command_line_max).unwrap_or(COMMAND_LINE_MAX);
    if line.len() > limit as usize {
        return Err(Error::CommandLineLength { length: line.len(), limit });
    }
    let (_, errors) = BootOptions::read(&CommandLine::parse(&line));
    match errors.into_iter().next() {
        Some(error) => Err(Error::Parameter(error)),
        None => Ok(line),
    }
}

fn is_initrd(head: &[u8]) -> bool {
    head.starts_with(b"07070") || head.first() == Some(&0) || Compression::detect(head) != Compression::None
}

/// Opens an archive that must hold microcode where the kernel looks for it before it unpacks anything.
fn open_microcode(path: &Path) -> Result<Piece, Error> {
    let mut piece = Piece::open(path)?;
    if let Piece::File { file, .. } = &mut piece {
        let part = |what: String| Error::Part { path: path.to_owned(), what };
        let mut archive = cpio::Reader::new(BufReader::new(&mut *file));
        let mut found = false;
        while let Some(entry) = archive
            .next_entry()
            .map_err(|error| part(format!("early microcode must be an uncompressed cpio archive; {error}")))?
        {
            found |= entry.path().starts_with(b"kernel/x86/microcode/");
        }
        if !found {
            return Err(part("holds no kernel/x86/microcode/: it is no early microcode".to_owned()));
        }
        file.rewind().map_err(|source| Error::Read { path: path.to_owned(), source })?;
    }
    Ok(piece)
}

/// One initrd out of several.
fn join(initrds: Vec<Piece>) -> Vec<Piece> {
    let mut joined = Vec::new();
    for initrd in initrds {
        let before: u64 = joined.iter().map(Piece::size).sum();
        if before > 0 {
            let gap = before.next_multiple_of(4) + GAP - before;
            joined.push(Piece::Bytes(vec![0; gap as usize]));
        }
        joined.push(initrd);
    }
    joined
}
