//! Opening the image that a verb was given.

use std::path::Path;

use bootwright_formats::ReadAt;
use bootwright_formats::compression::Compression;
use bootwright_formats::disk::{self, Disk, Error, Format};

use super::{files, unpack};
use crate::failure::{Failure, Kind};

/// What is asked for.
pub struct Request<'a> {
    /// The image.
    pub path: &'a Path,
    /// Its format, when it is not to be told by its magic.
    pub format: Option<Format>,
    /// The snapshot to show instead of the disk.
    pub snapshot: Option<&'a str>,
    /// Where a compressed image is unpacked.
    pub spool: &'a Path,
}

/// A disk that was opened.
pub struct Opened {
    /// What a guest sees.
    pub disk: Box<dyn ReadAt>,
    /// The image's format.
    pub format: Format,
    /// How the image's file was compressed.
    pub compression: Compression,
}

impl Request<'_> {
    /// Opens the image with all files that it names, unpacked if it is compressed.
    pub fn open(&self) -> Result<Opened, Failure> {
        let path = self.path.display();
        let unreadable = |error| Failure::message(Kind::Environment, format!("{path}: {error}"));
        let mut source = files::open(self.path).map_err(unreadable)?;
        let compression = unpack::compression(&source).map_err(unreadable)?;
        if compression != Compression::None {
            source = unpack::unpack(&source, self.spool).map_err(|error| {
                let kind = if broken(&error) { Kind::Bad } else { Kind::Environment };
                Failure::message(kind, format!("{path}: unpacking {compression}: {error}"))
            })?;
        }
        let disk = disk::open_as(source, self.format, &files::Beside).map_err(|error| {
            let kind = if environment(&error) { Kind::Environment } else { Kind::Bad };
            Failure::message(kind, format!("{path}: {}", chain(&error)))
        })?;
        let format = disk.format();
        let disk: Box<dyn ReadAt> = match (self.snapshot, disk) {
            (None, disk) => Box::new(disk),
            (Some(name), Disk::Qcow2(disk)) => {
                let found = disk.into_snapshot(name);
                Box::new(found.map_err(|error| Failure::message(Kind::Usage, format!("{path}: {error}")))?)
            }
            (Some(_), _) => {
                let what = format!("{path}: --snapshot is for qcow2, this is {format}");
                return Err(Failure::message(Kind::Usage, what));
            }
        };
        Ok(Opened { disk, format, compression })
    }
}

/// A failure while a disk was read or written: bad when the image is, else the environment's.
pub fn fault(what: &str, error: &std::io::Error) -> Failure {
    let kind = if broken(error) { Kind::Bad } else { Kind::Environment };
    Failure::message(kind, format!("{what}: {}", chain(error)))
}

fn broken(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof, Unsupported};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof | Unsupported)
}

fn environment(error: &Error) -> bool {
    match error {
        Error::Open { .. } => true,
        Error::Io(error) => !broken(error),
        _ => false,
    }
}

/// An error with its causes in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}
