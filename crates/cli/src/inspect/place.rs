//! What the argument `FILE[:ADDRESS]` names.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_formats::FileBytes;
use bootwright_inspect::{AddressError, Cache, Faults, Files, HostDirectory, Source, open};

use crate::failure::{Failure, Kind};

/// The manifest in an image's directory.
const MANIFEST: &str = "image.json";

/// A file, or something inside of one.
pub struct Place {
    /// Its bytes.
    pub source: Source,
    /// Its name, or its path in what it lies in.
    pub path: String,
    /// What was passed over on the way.
    pub faults: Vec<String>,
    file: PathBuf,
    outside: HostDirectory,
    inside: Option<Arc<dyn Files>>,
}

impl Place {
    /// Opens the file and follows the address.
    pub fn open(argument: &str) -> Result<Self, Failure> {
        Self::open_with(argument, Faults::Refused)
    }

    /// The same, passing over what is broken on the way if asked to.
    pub fn open_with(argument: &str, faults: Faults) -> Result<Self, Failure> {
        let (mut file, address) = split(argument);
        // The directory of an image stands for its manifest.
        if address.is_empty() && file.join(MANIFEST).is_file() {
            file.push(MANIFEST);
        }
        let failed = |error: io::Error| cannot_read(&file, &error);
        let handle = File::open(&file).map_err(failed)?;
        if handle.metadata().map_err(failed)?.is_dir() {
            let text = format!("{} is a directory: name a file in it", file.display());
            return Err(Failure::message(Kind::Usage, text));
        }
        let bytes = FileBytes::new(handle).map_err(failed)?;
        let source: Source = Arc::new(Cache::new(bytes));
        let outside = HostDirectory::of(&file);
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if address.is_empty() {
            return Ok(Self { source, path: name, faults: Vec::new(), file, outside, inside: None });
        }
        let opened = open(&source, &file.display().to_string(), &address, faults).map_err(misled)?;
        let (inside, path) = opened.beside.map_or((None, String::new()), |(files, path)| (Some(files), path));
        let path = if path.is_empty() { address } else { path };
        Ok(Self { source: opened.source, path, faults: opened.faults, file, outside, inside })
    }

    /// Something inside of it.
    pub fn part(&self, address: &str) -> Result<Source, Failure> {
        let opened = open(&self.source, &self.path, address, Faults::Refused);
        opened
            .map(|opened| opened.source)
            .map_err(|error| Failure::new(Kind::Bad, miette::Report::from_err(error)))
    }

    /// Something inside of it, when it is there.
    pub fn inside(&self, address: &str) -> Result<Option<Source>, Failure> {
        match open(&self.source, &self.path, address, Faults::Refused) {
            Ok(opened) => Ok(Some(opened.source)),
            Err(AddressError::NotThere { .. }) => Ok(None),
            Err(error) => Err(Failure::new(Kind::Bad, miette::Report::from_err(error))),
        }
    }

    /// What lies around it.
    pub fn beside(&self) -> Option<&dyn Files> {
        Some(self.inside.as_deref().unwrap_or(&self.outside))
    }

    /// A failure to read it.
    pub fn failed(&self, error: &io::Error) -> Failure {
        cannot_read(&self.file, error)
    }
}

/// The file is as much of the argument as names one: a name may have colons itself.
fn split(argument: &str) -> (PathBuf, String) {
    if !Path::new(argument).exists() {
        for (colon, _) in argument.rmatch_indices(':') {
            let (file, address) = argument.split_at(colon);
            if Path::new(file).is_file() || Path::new(file).exists() && !Path::new(file).is_dir() {
                return (PathBuf::from(file), address.trim_start_matches(':').to_owned());
            }
        }
    }
    (PathBuf::from(argument), String::new())
}

fn cannot_read(file: &Path, error: &io::Error) -> Failure {
    Failure::message(Kind::Environment, format!("{}: cannot be read: {error}", file.display()))
}

fn misled(error: AddressError) -> Failure {
    let kind = match &error {
        AddressError::Read { .. } => Kind::Environment,
        AddressError::Broken { .. } => Kind::Bad,
        AddressError::NotThere { .. } | AddressError::NoInside { .. } => Kind::Usage,
        AddressError::Directory { .. } | AddressError::TooLong => Kind::Usage,
    };
    Failure::new(kind, miette::Report::from_err(error))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_colon_in_a_file_name_is_no_address() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a:b");
        std::fs::write(&file, "x").unwrap();
        let text = file.display().to_string();
        assert_eq!(split(&text), (file.clone(), String::new()));
        assert_eq!(split(&format!("{text}:2/x:y")), (file, "2/x:y".to_owned()));
        assert_eq!(split("gone:2").1, "");
    }
}
