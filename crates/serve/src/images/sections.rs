//! Where kernel, initrd and command line lie in a UKI.
//!
//! A BIOS client cannot run a PE file: it gets `.linux` and `.initrd` as byte ranges of the same
//! `image.efi`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of the file that are searched for section headers: a stub's are in the first kilobyte.
const HEADERS: usize = 16 << 10;

/// The kernel takes 2 KiB (x86) or 64 KiB of command line; a longer section is not one.
const MAX_CMDLINE: u64 = 64 << 10;

/// The most section headers that are read; a UKI with several profiles has dozens.
const MAX_SECTIONS: u16 = 512;

/// Bytes of a section header.
const SECTION_HEADER: usize = 40;

/// A piece of the file: offset and length, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// First byte.
    pub offset: u64,
    /// Length.
    pub length: u64,
}

/// The parts of a UKI that are served by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections {
    /// The kernel, `.linux`.
    pub linux: Piece,
    /// The initrd, `.initrd`.
    pub initrd: Option<Piece>,
    /// The command line, `.cmdline`, without trailing NULs and white space.
    pub cmdline: String,
}

/// Why a file is no UKI.
#[derive(Debug, thiserror::Error)]
pub enum SectionsError {
    /// Reading failed.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The headers are not those of a PE file.
    #[error("is not a PE file: {0}")]
    NotPe(&'static str),
    /// A section lies outside the file.
    #[error("section {0} lies outside the file")]
    Outside(&'static str),
    /// No kernel inside.
    #[error("has no section .linux: it is not a unified kernel image")]
    NoKernel,
    /// The command line is no text, or absurdly long.
    #[error("section .cmdline is not a command line")]
    CommandLine,
}

impl Sections {
    /// Reads the section headers of an open file.
    pub fn read(file: &File) -> Result<Self, SectionsError> {
        let size = file.metadata()?.len();
        let mut head = vec![0; HEADERS.min(usize::try_from(size).unwrap_or(HEADERS))];
        file.read_exact_at(&mut head, 0)?;
        let find = |name: &'static str| match section(&head, name)? {
            Some(piece) if piece.offset.saturating_add(piece.length) > size => {
                Err(SectionsError::Outside(name))
            }
            found => Ok(found),
        };
        let linux = find(".linux")?.ok_or(SectionsError::NoKernel)?;
        let initrd = find(".initrd")?;
        let cmdline = find(".cmdline")?.map(|piece| text(file, piece)).transpose()?.unwrap_or_default();
        Ok(Self { linux, initrd, cmdline })
    }
}

fn text(file: &File, piece: Piece) -> Result<String, SectionsError> {
    if piece.length > MAX_CMDLINE {
        return Err(SectionsError::CommandLine);
    }
    let mut bytes = vec![0; piece.length as usize];
    file.read_exact_at(&mut bytes, piece.offset)?;
    let text = String::from_utf8(bytes).map_err(|_| SectionsError::CommandLine)?;
    let text = text.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    let lawful = !text.chars().any(char::is_control);
    lawful.then(|| text.to_owned()).ok_or(SectionsError::CommandLine)
}

/// PE format, section "Section Table": name (8), VirtualSize, VirtualAddress, SizeOfRawData,
/// PointerToRawData. The first section of a name counts: later ones belong to other profiles.
fn section(head: &[u8], name: &str) -> Result<Option<Piece>, SectionsError> {
    let cut = || SectionsError::NotPe("the headers are cut short");
    if head.get(..2) != Some(b"MZ") {
        return Err(SectionsError::NotPe("the signature MZ is missing"));
    }
    let pe = u32_at(head, 0x3c).ok_or_else(cut)? as usize;
    if head.get(pe..pe + 4) != Some(b"PE\0\0") {
        return Err(SectionsError::NotPe("the signature PE is missing"));
    }
    let count = u16_at(head, pe + 6).ok_or_else(cut)?.min(MAX_SECTIONS);
    let optional = usize::from(u16_at(head, pe + 20).ok_or_else(cut)?);
    for index in 0..usize::from(count) {
        let at = pe + 24 + optional + index * SECTION_HEADER;
        let header = head.get(at..at + SECTION_HEADER).ok_or_else(cut)?;
        let field = |at| u32_at(header, at).map(u64::from).ok_or_else(cut);
        let label = header.get(..8).unwrap_or_default();
        if label.split(|b| *b == 0).next() == Some(name.as_bytes()) {
            // Raw size is padded; VirtualSize is what the section means.
            let length = field(8)?.min(field(16)?);
            return Ok(Some(Piece { offset: field(20)?, length }));
        }
    }
    Ok(None)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}
