//! Where in a file the root is: in a partition, or in two with a `/usr` of its own, in an ISO, or all of it.
//!
//! Nothing is mounted for it: partition tables and ISO 9660 are read by our own readers, and what is found is a range
//! of the file.

mod iso;
mod layout;
mod partition;
mod signed;
mod verity;

use std::ops::Range;

use bootwright_formats::gpt::{Gpt, GptError};
use bootwright_formats::iso9660::IsoError;
use bootwright_formats::{ReadAt as _, Shared};
use bootwright_image::RootFormat;
use bootwright_plan::foreign_root::ForeignRoot;
use bootwright_plan::part::Part;

use crate::foreign::signers::SignatureError;
use crate::signature::signature;
pub use layout::Layout;
use partition::{Purpose, in_mbr, list, place};
pub use signed::signed;
pub use verity::HashTree;

/// Where ISO 9660 has its first volume descriptor, and what it says there.
const ISO: Range<usize> = 0x8001..0x8006;
const ISO_MAGIC: &[u8] = b"CD001";

/// A file system inside a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its bytes.
    pub range: Range<u64>,
    /// The file system there.
    pub format: RootFormat,
    /// Where it is, for people: `partition 2 (root)`.
    pub place: String,
    /// Whether there may be a live root inside the file system, `LiveOS/rootfs.img`.
    pub live: bool,
    /// The tree of its dm-verity.
    pub verity: Option<Box<HashTree>>,
}

/// Why there is no root in a file.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No file system, table of partitions or ISO that we know.
    #[error(
        "the file holds {0}: the agent boots squashfs, EROFS, ext4, XFS, btrfs, a GPT or an ISO with one of them, tar and cpio"
    )]
    Unknown(String),
    /// The table.
    #[error(transparent)]
    Gpt(GptError),
    /// The ISO.
    #[error(transparent)]
    Iso(#[from] IsoError),
    /// No partition is the root.
    #[error("{wanted} is not in the image: its partitions are {there}")]
    NoPartition {
        /// What was looked for.
        wanted: String,
        /// What there is.
        there: String,
    },
    /// Several are.
    #[error("several partitions may be {}: {there}; say which one by {}", .purpose.name(), .purpose.chosen_by())]
    Several {
        /// For what.
        purpose: Purpose,
        /// Which.
        there: String,
    },
    /// A range that is none.
    #[error("{place} is said to be at bytes {} to {}, and the file ends at byte {size}: it is cut off, or its table is wrong", .range.start, .range.end)]
    Outside {
        /// Whose.
        place: String,
        /// What was said.
        range: Range<u64>,
        /// Bytes of the file.
        size: u64,
    },
    /// Another file system.
    #[error(
        "{place} holds {found}, which the agent does not mount: it mounts squashfs, EROFS, ext4, XFS and btrfs"
    )]
    FileSystem {
        /// Where.
        place: String,
        /// What is there.
        found: String,
    },
    /// Layers are those of an ISO.
    #[error("the layer {0} is one of an ISO, and the file holds {1}")]
    NoIso(String, String),
    /// An ISO without one of the layers.
    #[error("the layer {0} is not in the ISO {1}")]
    NoLayer(String, String),
    /// An ISO without a live root.
    #[error("the ISO has none of {0}: say where its root is by rd.live.dir= and rd.live.squashimg=")]
    NoLiveRoot(String),
    /// Reading failed.
    #[error("reading at byte {0}")]
    Read(u64, #[source] std::io::Error),
    /// Nobody has signed anything.
    #[error(
        "nothing says which bytes are the right ones: no partition of the image has the type verity signature of {} for {architecture}: there are {there}; say {}= or bootwright.digest= (of a system that is all in /usr: root=tmpfs)", .purpose.name(), .purpose.key()
    )]
    NoSignature {
        /// Of what.
        purpose: Purpose,
        /// For which machines.
        architecture: &'static str,
        /// What there is.
        there: String,
    },
    /// A signature that does not count.
    #[error("{place}")]
    Signature {
        /// Where it is.
        place: String,
        /// Why.
        source: SignatureError,
    },
    /// Several that count.
    #[error("several signatures count: {there}; say which root hash by {key}=")]
    SeveralSigned {
        /// The parameter.
        key: &'static str,
        /// Where they are.
        there: String,
    },
    /// A tree that is none, or not of that root.
    #[error("{key}={hash}: {problem}")]
    Verity {
        /// The parameter.
        key: &'static str,
        /// The root hash.
        hash: String,
        /// What is wrong.
        problem: String,
    },
}

/// Finds the root in `file`.
pub fn find(file: &Shared, wanted: &ForeignRoot) -> Result<Layout, FindError> {
    Ok(Layout { options: wanted.options.clone(), ..layout_of(file, wanted)? })
}

fn layout_of(file: &Shared, wanted: &ForeignRoot) -> Result<Layout, FindError> {
    let head = read(file, 0)?;
    // Nothing in an ISO has a tree of dm-verity, by which alone a root hash counts.
    let may_be_iso = wanted.part == Part::Discovered && wanted.vouches_for(None);
    if may_be_iso && head.get(ISO) == Some(ISO_MAGIC) {
        return iso::find(file, wanted);
    }
    if let Some(top) = wanted.layers.last() {
        return Err(FindError::NoIso(top.clone(), name(&head)));
    }
    let partition = match (&wanted.part, Gpt::read(file)) {
        (Part::Whole, _) => None,
        (_, Ok(gpt)) => return layout::in_gpt(file, &gpt, wanted),
        (part, Err(GptError::Absent)) => in_mbr(file, part)?,
        (_, Err(error)) => return Err(FindError::Gpt(error)),
    };
    for (purpose, hash) in [(Purpose::Root, wanted.root_hash), (Purpose::Usr, wanted.usr_hash)] {
        if let Some(hash) = hash {
            let problem = "the image has no table of partitions, and so no tree of dm-verity".to_owned();
            return Err(FindError::Verity { key: purpose.key(), hash: hash.hex(), problem });
        }
    }
    let found = match (partition, RootFormat::detect(&head)) {
        (Some(found), _) => found,
        (None, Some(format)) => {
            let place = "all of the file".to_owned();
            Found { range: 0..file.size(), format, place, live: true, verity: None }
        }
        (None, None) => return Err(FindError::Unknown(name(&head))),
    };
    Ok(Layout::of_root(found))
}

/// What is in a range, when it is one of the file and holds a file system that we mount.
fn file_system(file: &Shared, place: String, range: Range<u64>) -> Result<Found, FindError> {
    let size = file.size();
    if range.is_empty() || range.end > size {
        return Err(FindError::Outside { place, range, size });
    }
    let head = read(file, range.start)?;
    match RootFormat::detect(&head) {
        Some(format) => Ok(Found { range, format, place, live: false, verity: None }),
        None => Err(FindError::FileSystem { place, found: name(&head) }),
    }
}

/// The first bytes from `offset` on, as far as there are any.
fn read(file: &Shared, offset: u64) -> Result<Vec<u8>, FindError> {
    let there = file.size().saturating_sub(offset).min(RootFormat::HEAD as u64);
    let mut head = vec![0; there as usize];
    file.read_exact_at(offset, &mut head).map_err(|source| FindError::Read(offset, source))?;
    Ok(head)
}

/// What people call the file system, or whatever it is, that begins so.
fn name(head: &[u8]) -> String {
    let found = match signature(&head.to_vec()) {
        Ok(Some("qcow2")) => Some("a qcow2 (convert it: bootwright convert)"),
        Ok(Some(name)) => Some(name),
        _ if head.starts_with(b"MZ") => Some("a program for UEFI"),
        _ if head.starts_with(b"<") => Some("a text, perhaps a web page"),
        _ => None,
    };
    match (found, head.get(..8)) {
        (Some(found), _) => found.to_owned(),
        (None, Some(first)) => format!("something unknown ({})", first.escape_ascii()),
        (None, None) => format!("{} bytes, too few", head.len()),
    }
}

#[cfg(test)]
mod tests;
