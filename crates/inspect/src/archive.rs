//! tar, and the OVA that is one.
//!
//! Specifications: POSIX.1-2017 `pax`; DMTF DSP0243 (OVF) for the OVA: the descriptor `.ovf` comes first,
//! a manifest `.mf` with digests may follow. Heads are read by the crate `tar`, which seeks over contents.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bootwright_formats::{ReadAt as _, Window};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::bytes::{printable, read};
use crate::files::{Entry, Files};
use crate::node::{Node, Severity};
use crate::recognise::{Found, Inner, Look};
use crate::source::{Source, Stream, each_piece};

/// The most members that are indexed without `deep`: each costs a read.
const MAX_MEMBERS: usize = 64;

/// The most members with `deep`.
const MAX_MEMBERS_DEEP: usize = 1 << 18;

/// The most bytes of long names and extended headers, which the crate keeps in memory whatever their size.
const MAX_HEADS: u64 = 8 << 20;

/// The largest OVF descriptor that is read.
const MAX_DESCRIPTOR: u64 = 1 << 20;

struct Member {
    path: String,
    directory: bool,
    offset: u64,
    size: u64,
}

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    let head = read(source, 0, 512)?;
    if !head.has(257, b"ustar") {
        return Ok(None);
    }
    let limit = if look.deep { MAX_MEMBERS_DEEP } else { MAX_MEMBERS };
    let mut node = Node::new("tar", "tar archive", source.size());
    let members = index(&mut node, source, limit);
    if node.left_out == 0 {
        node.number("members", members.len() as u64);
    }
    let files = TarFiles { source: Arc::clone(source), members };
    if let Some(descriptor) = files.members.first().filter(|member| member.path.ends_with(".ovf")) {
        ova(&mut node, &files, descriptor, look)?;
    } else {
        known(&mut node, &files);
    }
    Ok(Some(Found { node, inner: Inner::Files(Arc::new(files)) }))
}

/// What is read of an archive while it is indexed: contents are passed over, heads are few.
struct Heads {
    stream: Stream,
    left: u64,
}

impl Read for Heads {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "its names and extended headers are too long")
        })?;
        Ok(count)
    }
}

impl Seek for Heads {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.stream.seek(to)
    }
}

fn index(node: &mut Node, source: &Source, limit: usize) -> Vec<Member> {
    let mut members = Vec::new();
    let stream = Stream::sparse(Arc::clone(source), 0);
    let mut archive = tar::Archive::new(Heads { stream, left: MAX_HEADS + 1024 * limit as u64 });
    let entries = match archive.entries_with_seek() {
        Ok(entries) => entries,
        Err(error) => {
            node.problem(Severity::Error, 0, error.to_string(), "copy it again, whole");
            return members;
        }
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                node.problem(
                    Severity::Error,
                    None,
                    format!("a member is broken: {error}"),
                    "copy it again, whole",
                );
                break;
            }
        };
        if members.len() >= limit {
            node.left_out = 1;
            break;
        }
        let path = printable(&entry.path_bytes()).trim_start_matches("./").trim_matches('/').to_owned();
        let directory = entry.header().entry_type().is_dir();
        members.push(Member { path, directory, offset: entry.raw_file_position(), size: entry.size() });
    }
    members
}

/// Archives of which others make disks and roots are named.
fn known(node: &mut Node, files: &TarFiles) {
    let has = |path: &str| files.members.iter().any(|member| member.path == path);
    if has("metadata.json") && has("box.img") || has("Vagrantfile") {
        node.kind = "vagrant-box";
        node.what = "Vagrant box".to_owned();
    } else if has("disk.raw") {
        node.what = "disk image for Google Compute Engine (tar)".to_owned();
    } else if has("oci-layout") || has("manifest.json") {
        node.kind = "oci";
        node.what = "container image (tar)".to_owned();
    }
}

/// What the descriptor says: the name, the disks and whether they are there.
fn ova(node: &mut Node, files: &TarFiles, descriptor: &Member, look: &Look<'_>) -> io::Result<()> {
    node.kind = "ova";
    node.what = "virtual appliance (OVA)".to_owned();
    let text = read(&files.source, descriptor.offset, descriptor.size.min(MAX_DESCRIPTOR) as usize)?;
    let text = String::from_utf8_lossy(&text.0).into_owned();
    let system = text.split("<VirtualSystem ").nth(1).or_else(|| text.split(":VirtualSystem ").nth(1));
    node.text("name", system.and_then(|rest| attribute(rest, "id")).unwrap_or_default());
    let mut references = Vec::new();
    for tag in text.split("<File ").skip(1).chain(text.split(":File ").skip(1)).take(MAX_MEMBERS) {
        let Some(name) = attribute(tag.split('>').next().unwrap_or_default(), "href") else { continue };
        if !files.members.iter().any(|member| member.path == name) && node.left_out == 0 {
            let what = format!("its descriptor names {name}, which is not in it");
            node.problem(Severity::Error, descriptor.offset, what, "export it again");
        }
        references.push(name);
    }
    node.list("disks", references);
    node.text("firmware", if text.contains("\"efi\"") { "UEFI" } else { "" });
    let manifest = files.members.iter().find(|member| member.path.ends_with(".mf"));
    if let Some(manifest) = manifest {
        if look.deep {
            compare(node, files, manifest)?;
        }
    } else {
        let what = "it has no manifest (.mf): nobody can tell whether it is whole";
        node.problem(Severity::Note, None, what, "");
    }
    Ok(())
}

/// Compares members with the manifest's lines: `SHA256(disk.vmdk)= 0123…`, `SHA1 (disk.vmdk) = 0123…`. Other digests
/// are passed over.
fn compare(node: &mut Node, files: &TarFiles, manifest: &Member) -> io::Result<()> {
    let text = read(&files.source, manifest.offset, manifest.size.min(MAX_DESCRIPTOR) as usize)?;
    let text = String::from_utf8_lossy(&text.0).into_owned();
    for (algorithm, name, told) in text.lines().filter_map(line) {
        let shown = printable(name.as_bytes());
        let Some(content) = files.open(name)? else {
            let what = format!("its manifest names {shown}, which is not in it");
            node.problem(Severity::Error, manifest.offset, what, "export it again");
            continue;
        };
        let found = match algorithm {
            "SHA1" => hex(&content, Sha1::new())?,
            "SHA256" => hex(&content, Sha256::new())?,
            _ => continue,
        };
        if !told.eq_ignore_ascii_case(&found) {
            let what = format!("{shown} does not match its digest in the manifest");
            node.problem(Severity::Error, manifest.offset, what, "copy or export it again");
        }
    }
    Ok(())
}

/// Algorithm, file and digest of a manifest's line.
fn line(line: &str) -> Option<(&str, &str, &str)> {
    let (algorithm, rest) = line.split_once('(')?;
    let (name, digest) = rest.rsplit_once(')')?;
    Some((algorithm.trim(), name.trim(), digest.trim().strip_prefix('=')?.trim()))
}

fn hex(content: &Source, mut digest: impl Digest) -> io::Result<String> {
    each_piece(content, 0..content.size(), |bytes| digest.update(bytes))?;
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// `ovf:name="value"` or `name="value"` in a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next().unwrap_or_default();
    let at = tag.find(&format!("{name}=\""))? + name.len() + 2;
    let rest = tag.get(at..)?;
    Some(printable(rest.get(..rest.find('"')?)?.as_bytes()))
}

struct TarFiles {
    source: Source,
    members: Vec<Member>,
}

impl Files for TarFiles {
    fn list(&self, directory: &str) -> io::Result<Option<Vec<Entry>>> {
        let mut found = std::collections::BTreeMap::new();
        for member in &self.members {
            let inside = if directory.is_empty() {
                Some(member.path.as_str())
            } else {
                member.path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/'))
            };
            let Some(inside) = inside.filter(|inside| !inside.is_empty()) else { continue };
            let (name, deeper) = inside.split_once('/').map_or((inside, false), |(name, _)| (name, true));
            let directory = deeper || member.directory;
            let entry = Entry { name: name.to_owned(), directory, link: false, size: member.size };
            found.entry(name).or_insert(entry);
        }
        let there = directory.is_empty()
            || !found.is_empty()
            || self.members.iter().any(|member| member.directory && member.path == directory);
        Ok(there.then(|| found.into_values().collect()))
    }

    fn open(&self, path: &str) -> io::Result<Option<Source>> {
        let member = self.members.iter().rfind(|member| !member.directory && member.path == path);
        Ok(member.map(|member| {
            let range = member.offset..member.offset.saturating_add(member.size);
            Arc::new(Window::new(Arc::clone(&self.source), range)) as Source
        }))
    }
}
