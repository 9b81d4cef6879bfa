//! Addresses of what is inside: the `2/EFI/BOOT/BOOTX64.EFI` of `disk.qcow2:2/EFI/BOOT/BOOTX64.EFI`.
//!
//! Steps are separated by `/`. In a disk the step is a partition's number, in a UKI a section's name, in a
//! FIT an image's, in a file system or archive a path of as many steps as it takes. What a disk format or a
//! sparse image holds needs no step.

use std::sync::Arc;

use crate::files::Files;
use crate::node::{Node, Severity};
use crate::packed::Budget;
use crate::recognise::{Found, Inner, Look, recognise};
use crate::source::Source;
use crate::walk::{DEEPER, Limits};

/// The most steps and nestings of an address.
const MAX_STEPS: usize = 64;

/// The most names that an error lists.
const MAX_NAMES: usize = 12;

/// Why an address leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Reading failed.
    #[error("{at}: reading failed")]
    Read {
        /// As far as the address was followed.
        at: String,
        /// Its own error.
        source: std::io::Error,
    },
    /// Nothing of that name.
    #[error("{at}: there is no {step}; it has {there}")]
    NotThere {
        /// As far as the address was followed.
        at: String,
        /// The step that leads nowhere.
        step: String,
        /// What is there.
        there: String,
    },
    /// Nothing is inside.
    #[error("{at}: it is {what}, nothing in it can be opened")]
    NoInside {
        /// As far as the address was followed.
        at: String,
        /// What it is.
        what: String,
    },
    /// It leads to a directory.
    #[error("{at} is a directory; it has {there}")]
    Directory {
        /// The address.
        at: String,
        /// What is in it.
        there: String,
    },
    /// A compressed file on the way is cut off or damaged.
    #[error("{at}: {what}")]
    Broken {
        /// As far as the address was followed.
        at: String,
        /// What is wrong, and where.
        what: String,
    },
    /// More than 64 steps.
    #[error("the address has more than {MAX_STEPS} steps, or what it leads through is nested deeper")]
    TooLong,
}

/// What becomes of a compressed file on the way that is cut off or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// It is [`AddressError::Broken`].
    Refused,
    /// What comes before the fault is all there is: for a rescue.
    PassedOver,
}

/// What an address leads to.
pub struct Opened {
    /// The bytes.
    pub source: Source,
    /// The file system that they lie in, with their path in it.
    pub beside: Option<(Arc<dyn Files>, String)>,
    /// What was passed over on the way.
    pub faults: Vec<String>,
}

/// Follows `address` from `source` on. `name` is what the source is called in errors.
///
/// # Errors
/// Which step leads nowhere, and what is there.
pub fn open(source: &Source, name: &str, address: &str, faults: Faults) -> Result<Opened, AddressError> {
    let mut steps: Vec<&str> = address.split('/').filter(|step| !step.is_empty()).collect();
    steps.reverse();
    let mut opened = Opened { source: Arc::clone(source), beside: None, faults: Vec::new() };
    let mut at = name.to_owned();
    let budget = Budget::new(Limits::default().unpacked.saturating_mul(DEEPER));
    for _ in 0..MAX_STEPS {
        if steps.is_empty() {
            return Ok(opened);
        }
        let path = opened.beside.as_ref().map_or(at.clone(), |(_, path)| path.clone());
        let look = Look { path: &path, beside: None, deep: true, unpack: Some(&budget) };
        let read = |source| AddressError::Read { at: at.clone(), source };
        let Found { node, inner } = recognise(&opened.source, &look).map_err(read)?;
        if let Some(what) = broken(&node) {
            match faults {
                Faults::Refused => return Err(AddressError::Broken { at, what }),
                Faults::PassedOver => opened.faults.push(format!("{at}: {what}")),
            }
        }
        match inner {
            Inner::Nothing => return Err(AddressError::NoInside { at, what: node.what }),
            Inner::Whole(source) => opened.source = source,
            Inner::Parts(parts) => {
                let Some(step) = steps.pop() else { return Ok(opened) };
                let names: Vec<_> = parts.iter().map(|part| part.name.clone()).collect();
                let Some(part) = parts.into_iter().find(|part| part.name == step) else {
                    return Err(AddressError::NotThere { at, step: step.to_owned(), there: listed(names) });
                };
                opened = Opened { source: part.source, beside: None, ..opened };
                at = join(&at, step);
            }
            Inner::PartsAndFiles(parts, _)
                if parts.iter().any(|part| Some(&part.name.as_str()) == steps.last()) =>
            {
                let part = parts.into_iter().find(|part| Some(&part.name.as_str()) == steps.last());
                let (Some(part), Some(step)) = (part, steps.pop()) else { return Ok(opened) };
                opened = Opened { source: part.source, beside: None, ..opened };
                at = join(&at, step);
            }
            Inner::Files(files) | Inner::PartsAndFiles(_, files) => {
                let (path, source) = file(&*files, &at, &mut steps)?;
                at = join(&at, &path);
                opened = Opened { source, beside: Some((files, path)), ..opened };
            }
        }
    }
    Err(AddressError::TooLong)
}

/// The fault of a compressed file: what is behind it is not there, and nobody else would tell.
fn broken(node: &Node) -> Option<String> {
    let fault = node.problems.iter().find(|problem| problem.severity == Severity::Error);
    let fault = fault.filter(|_| node.kind == "compressed")?;
    Some(fault.offset.map_or_else(|| fault.what.clone(), |offset| format!("byte {offset}: {}", fault.what)))
}

fn join(at: &str, step: &str) -> String {
    format!("{at}{}{step}", if at.contains(':') { "/" } else { ":" })
}

/// Takes as many steps as lead to a file.
fn file(files: &dyn Files, at: &str, steps: &mut Vec<&str>) -> Result<(String, Source), AddressError> {
    let mut path = String::new();
    let read = |path: &str| {
        let at = join(at, path);
        move |source| AddressError::Read { at, source }
    };
    while let Some(step) = steps.pop() {
        let parent = path.clone();
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(step);
        if let Some(source) = files.open(&path).map_err(read(&path))? {
            return Ok((path, source));
        }
        let entries = files.list(&path).map_err(read(&path))?;
        match entries {
            Some(entries) if steps.is_empty() => {
                let names = entries.into_iter().map(|entry| entry.name).collect();
                return Err(AddressError::Directory { at: join(at, &path), there: listed(names) });
            }
            Some(_) => {}
            None => {
                let there = files.list(&parent).map_err(read(&parent))?.unwrap_or_default();
                let there = listed(there.into_iter().map(|entry| entry.name).collect());
                let at = if parent.is_empty() { at.to_owned() } else { join(at, &parent) };
                return Err(AddressError::NotThere { at, step: step.to_owned(), there });
            }
        }
    }
    Err(AddressError::TooLong)
}

fn listed(mut names: Vec<String>) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let more = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    let text = names.join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}
