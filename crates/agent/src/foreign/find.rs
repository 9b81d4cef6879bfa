//! Where in a file the root is: in a partition, in an ISO, or all of it.
//!
//! Nothing is mounted for it: partition tables and ISO 9660 are read by our own readers, and what is found is a range
//! of the file.

use std::ops::Range;

use bootwright_formats::gpt::{Attributes, Gpt, GptError, Guid, Partition, kinds};
use bootwright_formats::iso9660::{Iso, IsoError};
use bootwright_formats::mbr::Mbr;
use bootwright_formats::verity::Superblock;
use bootwright_formats::{ReadAt as _, Shared};
use bootwright_image::{Digest, RootFormat};
use bootwright_plan::foreign_root::ForeignRoot;
use bootwright_plan::part::Part;

/// Bytes by which a file system is told: that of btrfs, the furthest in, begins at 64 KiB.
const HEAD: usize = 0x1_0080;

/// The type byte of Linux's partitions in a table of MS-DOS.
const LINUX: u8 = 0x83;

/// Where ISO 9660 has its first volume descriptor, and what it says there.
const ISO: Range<usize> = 0x8001..0x8006;
const ISO_MAGIC: &[u8] = b"CD001";

/// A root inside a file.
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

/// A dm-verity tree beside a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTree {
    /// Its bytes, from its superblock on.
    pub range: Range<u64>,
    /// What the superblock says.
    pub superblock: Superblock,
    /// What the kernel is told to trust.
    pub root_hash: Digest,
}

/// Why there is no root in a file.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No file system, table of partitions or ISO that we know.
    #[error(
        "the file holds {0}: the agent boots squashfs, EROFS, ext4, a GPT or an ISO with one of them, tar and cpio"
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
    #[error("several partitions may be the root: {0}; say which one by root=PARTUUID= or root=PARTLABEL=")]
    Several(String),
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
    #[error("{place} holds {found}, which the agent does not mount: it mounts squashfs, EROFS and ext4")]
    FileSystem {
        /// Where.
        place: String,
        /// What is there.
        found: String,
    },
    /// An ISO without a live root.
    #[error("the ISO has none of {0}: say where its root is by rd.live.dir= and rd.live.squashimg=")]
    NoLiveRoot(String),
    /// Reading failed.
    #[error("reading at byte {0}")]
    Read(u64, #[source] std::io::Error),
    /// A tree that is none, or not of that root.
    #[error("roothash={hash}: {problem}")]
    Verity {
        /// The root hash.
        hash: String,
        /// What is wrong.
        problem: String,
    },
}

/// Finds the root in `file`.
pub fn find(file: &Shared, root: &ForeignRoot) -> Result<Found, FindError> {
    let head = read(file, 0)?;
    if root.part == Part::Discovered && head.get(ISO) == Some(ISO_MAGIC) {
        return in_iso(file, &root.live);
    }
    let partition = match (&root.part, Gpt::read(file)) {
        (Part::Whole, _) => None,
        (part, Ok(gpt)) => {
            let (found, verity) = in_gpt(file, &gpt, part, root.root_hash)?;
            return Ok(Found { verity, ..found });
        }
        (part, Err(GptError::Absent)) => in_mbr(file, part)?,
        (_, Err(error)) => return Err(FindError::Gpt(error)),
    };
    if let Some(hash) = root.root_hash {
        let problem = "the image has no table of partitions, and so no tree of dm-verity".to_owned();
        return Err(FindError::Verity { hash: hash.hex(), problem });
    }
    match partition {
        Some(found) => Ok(found),
        None => match RootFormat::detect(&head) {
            Some(format) => {
                let place = "all of the file".to_owned();
                Ok(Found { range: 0..file.size(), format, place, live: true, verity: None })
            }
            None => Err(FindError::Unknown(name(&head))),
        },
    }
}

fn in_gpt(
    file: &Shared,
    gpt: &Gpt,
    part: &Part,
    root_hash: Option<Digest>,
) -> Result<(Found, Option<Box<HashTree>>), FindError> {
    let chosen = match (part, root_hash) {
        // The root hash names both partitions (UAPI.2).
        (Part::Discovered, Some(hash)) => {
            of_hash(gpt, hash, Half::Data).ok_or_else(|| FindError::Verity {
                hash: hash.hex(),
                problem: format!(
                    "no partition is named by its first half: there are {}",
                    list(&gpt.partitions)
                ),
            })?
        }
        (Part::Discovered, None) => discovered(file, gpt)?,
        (part, _) => named(gpt, part)?,
    };
    let found = file_system(file, place(chosen), chosen.range.clone())?;
    let verity = root_hash.map(|hash| tree(file, gpt, hash, &found)).transpose()?;
    Ok((found, verity))
}

/// The root by its type; where no partition has one, the only one of Linux with a file system that we mount.
fn discovered<'a>(file: &Shared, gpt: &'a Gpt) -> Result<&'a Partition, FindError> {
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
fn native() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

fn named<'a>(gpt: &'a Gpt, part: &Part) -> Result<&'a Partition, FindError> {
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

fn in_mbr(file: &Shared, part: &Part) -> Result<Option<Found>, FindError> {
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

fn in_iso(file: &Shared, paths: &[String]) -> Result<Found, FindError> {
    let iso = Iso::open(file.clone())?;
    for path in paths {
        let Some(entry) = iso.find(path)? else { continue };
        let (Some(first), Some(last)) = (entry.extents.first(), entry.extents.last()) else { continue };
        // Files over 4 GiB have several extents, which writers lay one behind the other.
        let adjoining = entry.extents.windows(2).all(|pair| match pair {
            [a, b] => a.end.next_multiple_of(2048) == b.start,
            _ => true,
        });
        if !adjoining {
            let found = "a file in pieces".to_owned();
            return Err(FindError::FileSystem { place: path.clone(), found });
        }
        let found = file_system(file, format!("{path} in the ISO {}", iso.volume_id), first.start..last.end)?;
        return Ok(Found { live: true, ..found });
    }
    Err(FindError::NoLiveRoot(paths.join(", ")))
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

/// Which of the two partitions that a root hash names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Data,
    Tree,
}

fn of_hash(gpt: &Gpt, hash: Digest, half: Half) -> Option<&Partition> {
    let (data, tree) = hash.0.split_at(16);
    let bytes = if half == Half::Data { data } else { tree };
    let guid = Guid::from_ordered(bytes.try_into().ok()?);
    gpt.partitions.iter().find(|partition| partition.guid == guid)
}

/// The tree of the root: the partition that the root hash names.
fn tree(file: &Shared, gpt: &Gpt, root_hash: Digest, data: &Found) -> Result<Box<HashTree>, FindError> {
    let failed = |problem: String| FindError::Verity { hash: root_hash.hex(), problem };
    let partition = of_hash(gpt, root_hash, Half::Tree).ok_or_else(|| {
        failed(format!("no partition is named by its second half: there are {}", list(&gpt.partitions)))
    })?;
    let range = partition.range.clone();
    if range.is_empty() || range.end > file.size() {
        return Err(FindError::Outside { place: place(partition), range, size: file.size() });
    }
    let head = read(file, range.start)?;
    let superblock =
        Superblock::parse(&head).map_err(|error| failed(format!("{}: {error}", place(partition))))?;
    if superblock.algorithm != "sha256" {
        return Err(failed(format!("the tree is of {}, not of sha256", superblock.algorithm)));
    }
    let bytes = superblock.data_blocks.saturating_mul(superblock.data_block_size.into());
    if bytes == 0 || bytes > data.range.end - data.range.start {
        return Err(failed(format!(
            "the tree is of {bytes} bytes, and {} has {}",
            data.place,
            data.range.end - data.range.start
        )));
    }
    Ok(Box::new(HashTree { range, superblock, root_hash }))
}

fn place(partition: &Partition) -> String {
    let name = if partition.name.is_empty() { partition.kind_name() } else { partition.name.clone() };
    format!("partition {} ({})", partition.number, name.escape_debug())
}

fn list(partitions: &[Partition]) -> String {
    match partitions.iter().map(place).collect::<Vec<_>>() {
        none if none.is_empty() => "none".to_owned(),
        some => some.join(", "),
    }
}

/// The first bytes from `offset` on, as far as there are any.
fn read(file: &Shared, offset: u64) -> Result<Vec<u8>, FindError> {
    let there = file.size().saturating_sub(offset).min(HEAD as u64);
    let mut head = vec![0; there as usize];
    file.read_exact_at(offset, &mut head).map_err(|source| FindError::Read(offset, source))?;
    Ok(head)
}

/// What people call the file system, or whatever it is, that begins so.
fn name(head: &[u8]) -> String {
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    let known: &[(usize, &[u8], &str)] = &[
        (0x1_0040, b"_BHRfS_M", "btrfs"),
        (0, b"XFSB", "XFS"),
        (0, b"LUKS\xba\xbe", "LUKS"),
        (0x200, b"LABELONE", "LVM"),
        (0x36, b"FAT", "FAT"),
        (0x52, b"FAT32", "FAT"),
        (0, b"QFI\xfb", "a qcow2 (convert it: bootwright convert)"),
        (0, b"MZ", "a program for UEFI"),
        (0, b"<", "a text, perhaps a web page"),
        (0x8001, b"CD001", "an ISO"),
    ];
    let found =
        known.iter().find(|(offset, magic, _)| at(*offset, magic)).map(|(.., name)| (*name).to_owned());
    found.unwrap_or_else(|| match head.get(..8) {
        Some(first) => format!("something unknown ({})", first.escape_ascii()),
        None => format!("{} bytes, too few", head.len()),
    })
}

#[cfg(test)]
mod tests;
