//! What is in an initrd, ours or another tool's: for each file why it is in and what it costs.
//!
//! [`explain`] walks the initrd once, as the kernel does. The reasons come from
//! `/bootwright/initrd.json` where there is one; else they are [worked out](evidence) from what is inside:
//! the modules' indexes, the firmware they name, the libraries that programs name. The
//! [`cost`] of a file is its part of the bytes that its segment takes in the initrd.

mod cost;
mod elf;
mod evidence;

use std::io::{Read, copy, sink};

use bootwright_formats::compression::Compression;
use bootwright_formats::cpio::Kind;
use bootwright_formats::initrd::{self, Reader};
use serde::Serialize;

use super::contents::{self, Contents, NameReason, Why};
use cost::Weight;
use evidence::Evidence;

/// The largest file that is looked into, packed or not: what is larger is counted only. It bounds memory.
const MAX_LOOKED_INTO: u64 = 64 << 20;

/// The longest target of a symbolic link that the kernel takes (`PATH_MAX`).
const MAX_TARGET: u64 = 4096;

/// The most files that are listed: bounds memory against an initrd made to exhaust it.
const MAX_MEMBERS: usize = 1 << 20;

/// An initrd, explained.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    /// Whether the reasons were written down at the build or worked out from what is inside.
    pub reasons: Reasons,
    /// `uname -r` of the kernel whose modules are inside.
    pub kernel: Option<String>,
    /// The profile, for an initrd of ours.
    pub profile: Option<String>,
    /// Its segments in order.
    pub segments: Vec<Segment>,
    /// Every file, the costliest first; directories are left out.
    pub files: Vec<File>,
    /// What was asked for at the build and is built in, for an initrd of ours.
    pub built_in: Vec<NameReason>,
    /// What the rules would have taken, for an initrd of ours.
    pub absent: Vec<NameReason>,
    /// Firmware that modules in here may ask for and that is not inside.
    pub missing_firmware: Vec<contents::MissingFirmware>,
}

/// Where the reasons come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reasons {
    /// From `/bootwright/initrd.json`.
    Recorded,
    /// From indexes, modules and programs inside.
    WorkedOut,
}

/// A segment of the initrd.
#[derive(Debug, Clone, Serialize)]
pub struct Segment {
    /// Bytes from the initrd's start.
    pub offset: u64,
    /// Bytes in the initrd.
    pub length: u64,
    /// Bytes unpacked.
    pub unpacked: u64,
    /// `zstd`, `none`, …
    pub compression: &'static str,
    /// Members, directories included.
    pub entries: u64,
}

/// A file of the initrd.
#[derive(Debug, Clone, Serialize)]
pub struct File {
    /// Absolute path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Bytes unpacked.
    pub size: u64,
    /// Bytes that it takes in the initrd, its header included: estimated within a compressed segment, such
    /// that all files of the segment add up to it.
    pub packed: u64,
    /// The number of its segment, from 0.
    pub segment: usize,
    /// Why it is in, when that is known.
    pub why: Option<Why>,
}

/// Why an initrd is not explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// It is broken, or no initrd.
    #[error(transparent)]
    Initrd(#[from] initrd::Error),
    /// A member's data cannot be read.
    #[error("initrd: reading {path} in segment {segment}")]
    Member {
        /// Absolute path.
        path: String,
        /// The number of its segment, from 0.
        segment: usize,
        /// Its own error.
        source: std::io::Error,
    },
    /// `/bootwright/initrd.json` is broken.
    #[error("initrd: {} is malformed", contents::PATH)]
    Contents(#[from] serde_json::Error),
    /// More than [`MAX_MEMBERS`].
    #[error("initrd: more than {MAX_MEMBERS} files")]
    TooMany,
}

/// A member as it was met.
struct Member {
    path: String,
    /// `None` for a mode that means nothing.
    kind: Option<Kind>,
    size: u64,
    segment: usize,
    weight: u64,
}

/// Reads an initrd to its end and explains it.
pub fn explain(initrd: impl Read) -> Result<Listing, ExplainError> {
    let mut reader = Reader::new(initrd);
    let (mut members, mut evidence, mut recorded) = (Vec::new(), Evidence::default(), None);
    while let Some(mut entry) = reader.next_entry()? {
        if members.len() >= MAX_MEMBERS {
            return Err(ExplainError::TooMany);
        }
        let path = format!("/{}", String::from_utf8_lossy(entry.path()).trim_start_matches(['.', '/']));
        let (kind, size, segment) = (entry.metadata().kind(), u64::from(entry.size()), entry.segment());
        let mut weight = Weight::new(entry.compression() != Compression::None, path.len());
        let failed = |source| ExplainError::Member { path: path.clone(), segment, source };
        if kind == Some(Kind::File)
            && size <= MAX_LOOKED_INTO
            && (path == contents::PATH || Evidence::wants(&path))
        {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(failed)?;
            weight.add(&mut content.as_slice()).map_err(failed)?;
            if path == contents::PATH {
                recorded = Some(serde_json::from_slice::<Contents>(&content)?);
            } else {
                evidence.look(&path, content);
            }
        } else if kind == Some(Kind::Symlink) && size <= MAX_TARGET {
            let mut target = Vec::new();
            entry.read_to_end(&mut target).map_err(failed)?;
            weight.add(&mut target.as_slice()).map_err(failed)?;
            evidence.link(&path, &String::from_utf8_lossy(&target));
        } else {
            weight.add(&mut entry).map_err(failed)?;
            copy(&mut entry, &mut sink()).map_err(failed)?;
        }
        let weight = weight.finish().map_err(failed)?;
        members.push(Member { path, kind, size, segment, weight });
    }
    Ok(listing(reader.segments(), members, evidence, recorded))
}

fn listing(
    segments: &[initrd::Segment],
    members: Vec<Member>,
    evidence: Evidence,
    recorded: Option<Contents>,
) -> Listing {
    let packed = cost::shares(segments, &members);
    let reasons = if recorded.is_some() { Reasons::Recorded } else { Reasons::WorkedOut };
    let paths = members.iter().map(|member| member.path.as_str());
    let worked_out = evidence.conclude(paths);
    let mut why = worked_out.why;
    let (mut kernel, mut profile, mut built_in, mut absent) =
        (worked_out.kernel, None, Vec::new(), Vec::new());
    let mut missing_firmware = worked_out.missing_firmware;
    if let Some(recorded) = recorded {
        why.extend(recorded.files.into_iter().map(|file| (file.path, file.why)));
        why.insert(contents::PATH.to_owned(), Why::part("tells why each file is in"));
        kernel = Some(recorded.kernel);
        profile = Some(recorded.profile);
        (built_in, absent, missing_firmware) =
            (recorded.built_in, recorded.absent, recorded.missing_firmware);
    }
    let files = members.into_iter().zip(packed).filter(|(member, _)| member.kind != Some(Kind::Directory));
    let mut files: Vec<File> = files
        .map(|(Member { path, size, segment, .. }, packed)| {
            let why = why.get(&path).cloned();
            File { path, size, packed, segment, why }
        })
        .collect();
    files.sort_by(|a, b| b.packed.cmp(&a.packed).then_with(|| a.path.cmp(&b.path)));
    let segments = segments.iter().map(|segment| Segment {
        offset: segment.offset,
        length: segment.length,
        unpacked: segment.unpacked,
        compression: segment.compression.name(),
        entries: segment.entries,
    });
    Listing {
        reasons,
        kernel,
        profile,
        segments: segments.collect(),
        files,
        built_in,
        absent,
        missing_firmware,
    }
}
