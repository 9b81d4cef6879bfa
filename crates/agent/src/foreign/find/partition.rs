//! Which partition is the root.

use bootwright_formats::Shared;
use bootwright_formats::gpt::{Attributes, Gpt, Guid, Partition, kinds};
use bootwright_formats::mbr::Mbr;
use bootwright_plan::part::Part;

use super::{FindError, Found, file_system};

/// The type byte of Linux's partitions in a table of MS-DOS.
const LINUX: u8 = 0x83;

/// The root by its type; where no partition has one, the only one of Linux with a file system that we mount.
pub(super) fn discovered<'a>(file: &Shared, gpt: &'a Gpt) -> Result<&'a Partition, FindError> {
    let automatic = |partition: &&Partition| !partition.attributes.has(Attributes::NO_AUTO);
    let roots = |kind: Guid| gpt.partitions.iter().filter(automatic).filter(move |found| found.kind == kind);
    let own = kinds::ARCHITECTURES
        .iter()
        .find(|kinds| kinds.architecture.replace('-', "_") == native())
        .into_iter()
        .flat_map(|kinds| roots(kinds.root));
    let mut candidates: Vec<&Partition> = own.collect();
    if candidates.is_empty() {
        let plain = roots(kinds::LINUX);
        candidates =
            plain.filter(|found| file_system(file, String::new(), found.range.clone()).is_ok()).collect();
    }
    match &candidates[..] {
        [one] => Ok(one),
        [] => Err(FindError::NoPartition {
            wanted: format!("a root partition for {}", std::env::consts::ARCH),
            there: list(&gpt.partitions),
        }),
        several => {
            let places: Vec<String> = several.iter().map(|partition| place(partition)).collect();
            Err(FindError::Several(places.join(", ")))
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
        Part::Discovered | Part::Whole => false,
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
            return Err(FindError::Several(places.join(", ")));
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
