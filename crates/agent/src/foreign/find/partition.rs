//! Which partition is the root, and which is `/usr`.

use bootwright_formats::Shared;
use bootwright_formats::gpt::kinds::Kinds;
use bootwright_formats::gpt::{Attributes, Gpt, Guid, Partition, kinds};
use bootwright_formats::mbr::Mbr;
use bootwright_plan::part::Part;

use super::{FindError, Found, file_system};

/// The type byte of Linux's partitions in a table of MS-DOS.
const LINUX: u8 = 0x83;

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The root.
    Root,
    /// A `/usr` of its own.
    Usr,
}

impl Purpose {
    /// The parameter with its root hash.
    pub fn key(self) -> &'static str {
        match self {
            Self::Root => "roothash",
            Self::Usr => "usrhash",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Root => "the root",
            Self::Usr => "/usr",
        }
    }

    pub(super) fn chosen_by(self) -> &'static str {
        match self {
            Self::Root => "root=PARTUUID= or root=PARTLABEL=",
            Self::Usr => "usrhash=",
        }
    }

    fn kind(self, kinds: &Kinds) -> Guid {
        match self {
            Self::Root => kinds.root,
            Self::Usr => kinds.usr,
        }
    }

    /// The type of the partition with the signature of its root hash.
    pub(super) fn signature_kind(self, kinds: &Kinds) -> Guid {
        match self {
            Self::Root => kinds.root_verity_sig,
            Self::Usr => kinds.usr_verity_sig,
        }
    }
}

/// The partition for that purpose on this architecture, by its type, when there is one.
pub(super) fn by_type(gpt: &Gpt, purpose: Purpose) -> Result<Option<&Partition>, FindError> {
    let Some(kind) = own().map(|own| purpose.kind(own)) else { return Ok(None) };
    only(purpose, automatic(gpt, kind).collect())
}

/// The only one of Linux with a file system that we mount: the root, where no type says so.
pub(super) fn plain<'a>(file: &Shared, gpt: &'a Gpt) -> Result<Option<&'a Partition>, FindError> {
    let mounted = |found: &&Partition| file_system(file, String::new(), found.range.clone()).is_ok();
    only(Purpose::Root, automatic(gpt, kinds::LINUX).filter(mounted).collect())
}

/// The types of this architecture.
pub(super) fn own() -> Option<&'static Kinds> {
    kinds::ARCHITECTURES.iter().find(|kinds| kinds.architecture.replace('-', "_") == native())
}

pub(super) fn automatic(gpt: &Gpt, kind: Guid) -> impl Iterator<Item = &Partition> {
    let mounted = |partition: &&Partition| !partition.attributes.has(Attributes::NO_AUTO);
    gpt.partitions.iter().filter(mounted).filter(move |partition| partition.kind == kind)
}

fn only(purpose: Purpose, candidates: Vec<&Partition>) -> Result<Option<&Partition>, FindError> {
    match &candidates[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let places: Vec<String> = several.iter().map(|partition| place(partition)).collect();
            Err(FindError::Several { purpose, there: places.join(", ") })
        }
    }
}

/// The architecture, as the specification has it but for a dash.
pub(super) fn native() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

pub(super) fn named<'a>(gpt: &'a Gpt, part: &Part) -> Result<&'a Partition, FindError> {
    let is_it = |partition: &&Partition| match part {
        Part::Number(number) => partition.number == *number,
        Part::Guid(guid) => partition.guid.to_string().eq_ignore_ascii_case(guid),
        Part::Label(label) => partition.name == *label,
        Part::Discovered | Part::Whole | Part::Usr => false,
    };
    gpt.partitions
        .iter()
        .find(is_it)
        .ok_or_else(|| FindError::NoPartition { wanted: part.to_string(), there: list(&gpt.partitions) })
}

pub(super) fn in_mbr(file: &Shared, part: &Part) -> Result<Option<Found>, FindError> {
    let Ok(mbr) = Mbr::read(file, 512) else {
        return match part {
            Part::Discovered => Ok(None),
            part => {
                let there = "none: it has no table of them".to_owned();
                Err(FindError::NoPartition { wanted: part.to_string(), there })
            }
        };
    };
    let numbered = |number: u32| mbr.partitions.iter().find(|partition| partition.number == number);
    let linux: Vec<_> = mbr.partitions.iter().filter(|partition| partition.kind == LINUX).collect();
    let chosen = match (part, &linux[..]) {
        (Part::Number(number), _) => numbered(*number),
        (Part::Discovered, []) => return Ok(None),
        (Part::Discovered, [one]) => Some(*one),
        (Part::Discovered, several) => {
            let places: Vec<String> =
                several.iter().map(|partition| format!("partition {}", partition.number)).collect();
            return Err(FindError::Several { purpose: Purpose::Root, there: places.join(", ") });
        }
        _ => None,
    };
    let Some(chosen) = chosen else {
        let there: Vec<String> =
            mbr.partitions.iter().map(|partition| format!("{}", partition.number)).collect();
        return Err(FindError::NoPartition { wanted: part.to_string(), there: there.join(", ") });
    };
    file_system(file, format!("partition {}", chosen.number), chosen.range.clone()).map(Some)
}

pub(super) fn place(partition: &Partition) -> String {
    let name = if partition.name.is_empty() { partition.kind_name() } else { partition.name.clone() };
    format!("partition {} ({})", partition.number, name.escape_debug())
}

pub(super) fn list(partitions: &[Partition]) -> String {
    match partitions.iter().map(place).collect::<Vec<_>>() {
        none if none.is_empty() => "none".to_owned(),
        some => some.join(", "),
    }
}
