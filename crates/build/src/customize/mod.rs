//! How a recipe changes a root. All of it edits the [`Tree`]; only a [`script`] needs files.

mod accounts;
mod files;
mod identity;
pub mod script;
mod units;

pub use identity::forget_builder;

use std::path::PathBuf;

use crate::recipe::Changes;
use crate::tree::{DirectoryError, EditError, Tree, TreePath};

/// Why a change cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The tree does not allow it.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A directory of the host.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A file of the host.
    #[error("reading {path} failed")]
    Host {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A user or group that the root does not have.
    #[error("{path} shall belong to {name:?}, and {file} of the root has no such name")]
    UnknownOwner {
        /// The file to be owned.
        path: TreePath,
        /// The name.
        name: String,
        /// Where it was looked for.
        file: TreePath,
    },
    /// A file of the root that is not in its form.
    #[error("{path} of the root is malformed: {line:?}")]
    Malformed {
        /// The file.
        path: TreePath,
        /// The line.
        line: String,
    },
    /// Two users of one id.
    #[error("the user {name} cannot have the id {uid}: {other} has it")]
    UidTaken {
        /// The user to be made.
        name: String,
        /// The id asked for.
        uid: u32,
        /// Who has it.
        other: String,
    },
    /// No free id.
    #[error("no user or group id from 1000 to 59999 is free for {0}")]
    NoFreeId(String),
    /// A unit that the root does not have.
    #[error("the root has no unit {0}: is the package that brings it among `packages`?")]
    UnknownUnit(String),
    /// A unit that nothing can enable.
    #[error("the unit {0} has no [Install] section: systemd starts it when another unit asks for it")]
    NotInstallable(String),
}

/// Makes every change but the script. Files made are dated `mtime`. Returns what deserves a warning.
pub fn apply(tree: &mut Tree, changes: &Changes, mtime: u64) -> Result<Vec<String>, ChangeError> {
    for change in &changes.trees {
        files::lay_over(tree, change, mtime)?;
    }
    for change in &changes.files {
        files::put(tree, change, mtime)?;
    }
    let mut warnings = identity::reset(tree, mtime)?;
    if let Some(name) = &changes.hostname {
        identity::host_name(tree, name, mtime)?;
    }
    if let Some(locale) = &changes.locale {
        warnings.extend(identity::locale(tree, locale, mtime)?);
    }
    for user in &changes.users {
        accounts::apply(tree, user, mtime)?;
    }
    for unit in &changes.mask {
        units::mask(tree, unit, mtime)?;
    }
    for unit in &changes.enable {
        units::enable(tree, unit, mtime)?;
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests;
