//! Which part of a file is the root.

use std::fmt;

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Whatever the content says: the root partition by its type (UAPI.2), the live root of an ISO, else all of it.
    Discovered,
    /// All of it is one file system or tree.
    Whole,
    /// The partition of that number.
    Number(u32),
    /// The partition of that GUID, in lower case.
    Guid(String),
    /// The partition of that name.
    Label(String),
    /// The `/usr` in it by its type (UAPI.2), and nothing else: what lies around that is in memory.
    Usr,
}

impl Part {
    /// What a `root=` names that goes by a table of partitions.
    pub fn by_table(root: &str) -> Option<Self> {
        let after = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| root.strip_prefix(prefix));
        if let Some(guid) = after(["PARTUUID=", "/dev/disk/by-partuuid/"]) {
            return Some(Self::Guid(guid.to_lowercase()));
        }
        if root == "tmpfs" {
            return Some(Self::Usr);
        }
        after(["PARTLABEL=", "/dev/disk/by-partlabel/"]).map(|label| Self::Label(label.to_owned()))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discovered => f.write_str("the root in it, by type"),
            Self::Whole => f.write_str("all of it"),
            Self::Number(number) => write!(f, "partition {number}"),
            Self::Guid(guid) => write!(f, "the partition {guid}"),
            Self::Label(label) => write!(f, "the partition named {label:?}"),
            Self::Usr => f.write_str("empty but for the /usr in it, by type"),
        }
    }
}
