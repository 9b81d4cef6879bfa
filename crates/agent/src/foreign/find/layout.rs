//! The partitions of a disk image that make up a system (UAPI.2).

use std::fmt;

use bootwright_formats::Shared;
use bootwright_formats::gpt::{Gpt, Partition};
use bootwright_image::Digest;
use bootwright_plan::foreign_root::ForeignRoot;
use bootwright_plan::part::Part;

use super::partition::{Purpose, by_type, named, native, plain};
use super::verity::{Half, of_hash, tree};
use super::{FindError, Found, file_system, list, place};

/// The file systems of a root: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The root; without one, it is empty, in memory, and the system in [`usr`](Self::usr) makes what it needs.
    pub root: Option<Found>,
    /// What lies under the root, the highest first: its layers.
    pub below: Vec<Found>,
    /// The `/usr` of its own.
    pub usr: Option<Found>,
    /// What the driver of the root's file system is told, with commas between (`rootflags=`).
    pub options: String,
}

impl Layout {
    pub(super) fn of_root(root: Found) -> Self {
        Self { root: Some(root), below: Vec::new(), usr: None, options: String::new() }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Some(root) => write!(f, "{}: {}", root.place, root.format.name())?,
            None => f.write_str("empty")?,
        }
        for layer in &self.below {
            write!(f, ", over {}: {}", layer.place, layer.format.name())?;
        }
        match &self.usr {
            Some(usr) => write!(f, ", /usr is {}: {}", usr.place, usr.format.name()),
            None => Ok(()),
        }
    }
}

pub(super) fn in_gpt(file: &Shared, gpt: &Gpt, wanted: &ForeignRoot) -> Result<Layout, FindError> {
    let by_itself = matches!(wanted.part, Part::Discovered | Part::Usr);
    let usr = match wanted.usr_hash {
        Some(hash) => Some(verified(file, gpt, Purpose::Usr, hash)?),
        None if by_itself && wanted.vouches_for(None) => in_one(file, by_type(gpt, Purpose::Usr)?)?,
        None => None,
    };
    let root = match (&wanted.part, wanted.root_hash) {
        (Part::Usr, _) => None,
        (Part::Discovered, Some(hash)) => Some(verified(file, gpt, Purpose::Root, hash)?),
        (Part::Discovered, None) if !wanted.vouches_for(None) => None,
        (Part::Discovered, None) => match by_type(gpt, Purpose::Root)? {
            None if usr.is_none() => in_one(file, plain(file, gpt)?)?,
            typed => in_one(file, typed)?,
        },
        (part, hash) => {
            let found = in_one(file, Some(named(gpt, part)?))?;
            found.map(|found| with_tree(file, gpt, Purpose::Root, found, hash)).transpose()?
        }
    };
    if root.is_none() && usr.is_none() {
        let what = if wanted.part == Part::Usr { "/usr" } else { "root" };
        let wanted = format!("a {what} partition for {}", native());
        return Err(FindError::NoPartition { wanted, there: list(&gpt.partitions) });
    }
    Ok(Layout { root, below: Vec::new(), usr, options: String::new() })
}

/// The partition that a root hash names, with its tree (UAPI.2).
fn verified(file: &Shared, gpt: &Gpt, purpose: Purpose, hash: Digest) -> Result<Found, FindError> {
    let partition = of_hash(gpt, hash, Half::Data).ok_or_else(|| FindError::Verity {
        key: purpose.key(),
        hash: hash.hex(),
        problem: format!("no partition is named by its first half: there are {}", list(&gpt.partitions)),
    })?;
    let found = file_system(file, place(partition), partition.range.clone())?;
    with_tree(file, gpt, purpose, found, Some(hash))
}

fn with_tree(
    file: &Shared,
    gpt: &Gpt,
    purpose: Purpose,
    found: Found,
    hash: Option<Digest>,
) -> Result<Found, FindError> {
    let verity = hash.map(|hash| tree(file, gpt, (purpose, hash), &found)).transpose()?;
    Ok(Found { verity, ..found })
}

fn in_one(file: &Shared, partition: Option<&Partition>) -> Result<Option<Found>, FindError> {
    partition.map(|partition| file_system(file, place(partition), partition.range.clone())).transpose()
}
