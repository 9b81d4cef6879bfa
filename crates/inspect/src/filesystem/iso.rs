//! ISO 9660, read by [`bootwright_formats::iso9660`]; its boot catalogue, and its tables when it is a hybrid.

use std::io;
use std::sync::Arc;

use bootwright_formats::iso9660::{BootEntry, Entry, Iso, IsoError, Kind, Platform};

use super::resolve::Tree;
use crate::bytes::{printable, read};
use crate::files::{self, Files};
use crate::node::{Firmware, Node, Severity};
use crate::partitions;
use crate::recognise::{Found, Inner, Look, Part};
use crate::source::Source;

/// Where the identifier of the first volume descriptor stands.
const IDENTIFIER: u64 = 32769;

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    if !read(source, IDENTIFIER, 5)?.has(0, b"CD001") {
        return Ok(None);
    }
    let mut node = Node::new("iso", "ISO 9660 image", source.size());
    let iso = match Iso::open(Arc::clone(source)) {
        Ok(iso) => iso,
        Err(IsoError::Read { source, .. }) if source.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(source);
        }
        Err(error) => {
            node.problem(Severity::Error, IDENTIFIER, error.to_string(), "copy it again, whole");
            return Ok(Some(node.into()));
        }
    };
    node.text("label", printable(iso.volume_id.as_bytes())).bytes("volume size", iso.size);
    let names = [(iso.rock_ridge, "Rock Ridge"), (iso.joliet, "Joliet"), (iso.udf, "UDF")];
    let names = names.iter().filter(|(there, _)| *there).map(|(_, name)| (*name).to_owned());
    node.list("extensions", names.collect());
    for damage in &iso.damage {
        node.problem(Severity::Error, None, damage, "copy it again, whole, or make it again");
    }
    let parts = catalogue(&mut node, source, &iso.boot);
    hybrid(&mut node, source, look)?;
    Ok(Some(Found { node, inner: Inner::PartsAndFiles(parts, Arc::new(IsoFiles(iso))) }))
}

/// What firmware boots from the CD: each image is a part, `boot1` and so on.
fn catalogue(node: &mut Node, source: &Source, entries: &[BootEntry]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (entry, number) in entries.iter().zip(1_u32..) {
        let platform = entry.platform.to_string();
        let size = if entry.loaded == 0 { source.size().saturating_sub(entry.offset) } else { entry.loaded };
        if entry.offset >= source.size() {
            let what = format!(
                "El Torito entry {number} ({platform}) starts at {}, outside of the image",
                entry.offset
            );
            node.problem(Severity::Error, entry.offset, what, "make the ISO again");
            continue;
        }
        let mut inner = Node::new("boot-image", format!("El Torito boot image for {platform}"), size);
        inner.flag("bootable", entry.bootable).text("emulation", emulation(entry.emulation));
        parts.push(Part::window(source, format!("boot{number}"), entry.offset, inner));
        match entry.platform {
            _ if !entry.bootable => {}
            Platform::Bios => node.boots(Firmware::Bios, Some("x86"), "as a CD, its boot image"),
            Platform::Uefi => node.boots(Firmware::Uefi, None, "as a CD, its boot image"),
            Platform::Other(_) => {}
        }
    }
    parts
}

fn emulation(kind: u8) -> &'static str {
    match kind & 0xf {
        0 => "none",
        1..=3 => "floppy",
        4 => "hard disk",
        _ => "unknown",
    }
}

/// Whether the same file boots from a stick: there are partition tables in front of it.
fn hybrid(node: &mut Node, source: &Source, look: &Look<'_>) -> io::Result<()> {
    let tables = match partitions::gpt(source, look)? {
        Some(found) => Some(found),
        None => partitions::mbr(source, look)?,
    };
    let Some(Found { node: tables, inner }) = tables else {
        if !node.boots.is_empty() {
            let what = "no MBR or GPT: it boots as a CD, not from a stick that it is written to";
            node.problem(
                Severity::Warning,
                0,
                what,
                "make a hybrid ISO (xorriso -isohybrid-…), or copy its files to FAT",
            );
        }
        return Ok(());
    };
    node.text("hybrid", if tables.kind == "gpt" { "GPT and MBR" } else { "MBR" });
    let mut esp = false;
    if let Inner::Parts(parts) = inner {
        let name = |part: &Part| format!("{} at {}", part.node.what, part.node.offset.unwrap_or(0));
        esp = parts.iter().any(|part| part.node.facts.text("type") == Some(crate::check::ESP));
        node.text("partitions", parts.iter().map(name).collect::<Vec<_>>().join(", "));
    }
    if tables.boots.iter().any(|boot| boot.firmware == Firmware::Bios) {
        node.boots(Firmware::Bios, Some("x86"), "as a disk, the code in its MBR");
    }
    if esp {
        node.boots(Firmware::Uefi, None, "as a disk, its EFI system partition");
    }
    node.problems.extend(tables.problems);
    Ok(())
}

struct IsoFiles(Iso);

fn failed(error: IsoError) -> io::Error {
    match error {
        IsoError::Read { source, .. } => source,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

impl Tree for IsoFiles {
    type Entry = Entry;

    fn root(&self) -> io::Result<Entry> {
        Ok(self.0.root_entry().clone())
    }

    fn child(&self, directory: &Entry, name: &str) -> io::Result<Option<Entry>> {
        if directory.kind != Kind::Directory {
            return Ok(None);
        }
        let entries = self.0.entries(directory).map_err(failed)?;
        let exact = entries.iter().position(|entry| entry.name == name);
        let found = exact.or_else(|| entries.iter().position(|entry| entry.name.eq_ignore_ascii_case(name)));
        Ok(found.and_then(|index| entries.into_iter().nth(index)))
    }

    fn target(&self, entry: &Entry) -> io::Result<Option<String>> {
        Ok(match &entry.kind {
            Kind::Symlink(target) => Some(target.clone()),
            _ => None,
        })
    }
}

impl Files for IsoFiles {
    fn list(&self, directory: &str) -> io::Result<Option<Vec<files::Entry>>> {
        let Some(directory) = self.find(directory)?.filter(|entry| entry.kind == Kind::Directory) else {
            return Ok(None);
        };
        let entry = |entry: Entry| files::Entry {
            name: printable(entry.name.as_bytes()),
            directory: entry.kind == Kind::Directory,
            link: matches!(entry.kind, Kind::Symlink(_)),
            size: entry.size(),
        };
        Ok(Some(self.0.entries(&directory).map_err(failed)?.into_iter().map(entry).collect()))
    }

    fn open(&self, path: &str) -> io::Result<Option<Source>> {
        let Some(entry) = self.find(path)?.filter(|entry| entry.kind == Kind::File) else { return Ok(None) };
        Ok(Some(Arc::new(self.0.file(&entry))))
    }
}
