//! Opening an image together with the other files that it names: parents, parts, data files.

use std::io;
use std::sync::Arc;

use super::error::Result;
use super::qcow2::Qcow2;
use super::vdi::Vdi;
use super::vhd::Vhd;
use super::vhdx::Vhdx;
use super::vmdk::Vmdk;
use super::{Error, Format, Raw, Shared};
use crate::{Extent, ReadAt};

/// How many images may lie on top of each other: what libvirt takes. Reading goes through all of them.
pub const MAX_CHAIN: usize = 200;

/// A file to read an image from.
#[derive(Clone)]
pub struct Source {
    /// What tells it from every other file: its canonical path. Relative names in it start from here.
    pub name: String,
    /// Its bytes.
    pub bytes: Shared,
}

/// How the other files of an image are reached. The caller decides what may be opened.
pub trait Files {
    /// Opens the file that the image `from` (a [`Source::name`]) names by `name`, which is as the image
    /// has it: a path of some system, maybe relative, maybe a URL.
    ///
    /// # Errors
    /// When it is not there, or may not be opened.
    fn open(&self, from: &str, name: &str) -> io::Result<Source>;
}

/// Refuses to open any other file.
pub struct NoFiles;

impl Files for NoFiles {
    fn open(&self, _: &str, _: &str) -> io::Result<Source> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "other files are not opened here"))
    }
}

/// Another file that an image names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it is for.
    pub role: Role,
    /// The names that the image has for it; the first that can be opened is taken.
    pub names: Vec<String>,
    /// Its format, where the image says.
    pub format: Option<Format>,
}

/// What another file is to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The disk that shows through where this one has nothing: backing file, parent.
    Parent,
    /// Raw bytes of this disk: qcow2's external data file, an extent of a VMDK.
    Part,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Parent => "parent",
            Self::Part => "part",
        })
    }
}

/// A disk of any format.
pub enum Disk {
    /// See [`Raw`].
    Raw(Raw),
    /// See [`Qcow2`].
    Qcow2(Box<Qcow2>),
    /// See [`Vmdk`].
    Vmdk(Box<Vmdk>),
    /// See [`Vhd`].
    Vhd(Box<Vhd>),
    /// See [`Vhdx`].
    Vhdx(Box<Vhdx>),
    /// See [`Vdi`].
    Vdi(Box<Vdi>),
}

impl Disk {
    /// Reads the metadata of the image in `bytes`; no other file is attached.
    ///
    /// # Errors
    /// When it is damaged, or of a kind that is not read.
    pub fn parse(bytes: Shared, format: Format) -> Result<Self> {
        Ok(match format {
            Format::Raw => Self::Raw(Raw { bytes }),
            Format::Qcow2 => Self::Qcow2(Box::new(Qcow2::parse(bytes)?)),
            Format::Vmdk => Self::Vmdk(Box::new(Vmdk::parse(bytes)?)),
            Format::Vhd => Self::Vhd(Box::new(Vhd::parse(bytes)?)),
            Format::Vhdx => Self::Vhdx(Box::new(Vhdx::parse(bytes)?)),
            Format::Vdi => Self::Vdi(Box::new(Vdi::parse(bytes)?)),
        })
    }

    /// Its format.
    pub fn format(&self) -> Format {
        match self {
            Self::Raw(_) => Format::Raw,
            Self::Qcow2(_) => Format::Qcow2,
            Self::Vmdk(_) => Format::Vmdk,
            Self::Vhd(_) => Format::Vhd,
            Self::Vhdx(_) => Format::Vhdx,
            Self::Vdi(_) => Format::Vdi,
        }
    }

    /// The other files that it needs, in the order in which [`attach`](Self::attach) counts them.
    pub fn references(&self) -> Vec<Reference> {
        match self {
            Self::Raw(_) | Self::Vdi(_) => Vec::new(),
            Self::Qcow2(disk) => disk.references(),
            Self::Vmdk(disk) => disk.references(),
            Self::Vhd(disk) => disk.references(),
            Self::Vhdx(disk) => disk.references(),
        }
    }

    /// Gives it the file number `index` of its [`references`](Self::references).
    ///
    /// # Errors
    /// When that is another file than the one that it was made with.
    pub fn attach(&mut self, index: usize, other: Self) -> Result<()> {
        match self {
            Self::Raw(_) | Self::Vdi(_) => Ok(()),
            Self::Qcow2(disk) => disk.attach(index, other),
            Self::Vmdk(disk) => disk.attach(index, other),
            Self::Vhd(disk) => disk.attach(index, other),
            Self::Vhdx(disk) => disk.attach(index, other),
        }
    }

    fn inner(&self) -> &dyn ReadAt {
        match self {
            Self::Raw(disk) => disk,
            Self::Qcow2(disk) => &**disk,
            Self::Vmdk(disk) => &**disk,
            Self::Vhd(disk) => &**disk,
            Self::Vhdx(disk) => &**disk,
            Self::Vdi(disk) => &**disk,
        }
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.inner().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner().read_at(offset, buffer)
    }

    fn extent(&self, offset: u64) -> io::Result<Extent> {
        self.inner().extent(offset)
    }
}

/// Opens an image of any format, told by its magic, with all files that it names.
///
/// # Errors
/// When one of them is damaged, of a kind that is not read, or cannot be opened; when they name each other
/// in a circle, or more than [`MAX_CHAIN`] in a row.
pub fn open(source: Source, files: &dyn Files) -> Result<Disk> {
    open_as(source, None, files)
}

/// Opens an image whose format is known.
///
/// # Errors
/// As [`open`].
pub fn open_as(source: Source, format: Option<Format>, files: &dyn Files) -> Result<Disk> {
    open_below(source, format, files, &mut Vec::new())
}

fn open_below(
    source: Source,
    format: Option<Format>,
    files: &dyn Files,
    children: &mut Vec<String>,
) -> Result<Disk> {
    if children.contains(&source.name) {
        return Err(Error::Cycle(source.name));
    }
    if children.len() >= MAX_CHAIN {
        return Err(Error::Depth(source.name));
    }
    let format = match format {
        Some(format) => format,
        None => Format::detect(&source.bytes)?,
    };
    let mut disk = Disk::parse(source.bytes, format)?;
    children.push(source.name.clone());
    for (index, reference) in disk.references().into_iter().enumerate() {
        let other = open_reference(&source.name, &reference, files)?;
        let format = match reference.role {
            Role::Part => Some(Format::Raw),
            Role::Parent => reference.format,
        };
        disk.attach(index, open_below(other, format, files, children)?)?;
    }
    children.pop();
    Ok(disk)
}

/// The first of the names that can be opened; of the errors, the first.
fn open_reference(from: &str, reference: &Reference, files: &dyn Files) -> Result<Source> {
    let mut fault = None;
    for name in &reference.names {
        match files.open(from, name) {
            Ok(source) => return Ok(source),
            Err(error) => fault = fault.or(Some((name.clone(), error))),
        }
    }
    let none = || (String::new(), io::Error::new(io::ErrorKind::NotFound, "the image gives no name for it"));
    let (name, source) = fault.unwrap_or_else(none);
    Err(Error::Open { name, from: from.to_owned(), role: reference.role, source })
}

impl From<Disk> for Shared {
    fn from(disk: Disk) -> Self {
        match disk {
            // One call less on the way of every read.
            Disk::Raw(raw) => raw.bytes,
            other => Arc::new(other),
        }
    }
}
