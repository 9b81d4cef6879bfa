//! Which files of a file system have to do with booting.
//!
//! Only directories that have a meaning are read: a root file system has a hundred thousand others.

use std::collections::HashMap;
use std::io;

use crate::files::{Entry, Files};

/// The most files of one file system that are looked at.
const MAX_FILES: usize = 64;

/// The most vendors' directories below `EFI`.
const MAX_VENDORS: usize = 16;

/// Directories, and what counts in each: `*.efi` by its end, `vmlinuz*` by its start, or a whole name.
const PLACES: &[(&str, &[&str])] = &[
    ("EFI/BOOT", &["*.efi", "*.cfg"]),
    ("EFI/Linux", &["*.efi"]),
    ("loader", &["loader.conf"]),
    ("loader/entries", &["*.conf"]),
    (
        "",
        &[
            "*.efi",
            "*.ipxe",
            "*.ovf",
            "*.vmdk",
            "vmlinuz*",
            "initrd*",
            "bzimage*",
            "grub.cfg",
            "syslinux.cfg",
            "isolinux.cfg",
            "extlinux.conf",
            "image.json",
            "disk.raw",
            "box.img",
            "metadata.json",
        ],
    ),
    ("boot", &["vmlinuz*", "initrd*", "initramfs*", "bzimage*"]),
    ("boot/grub", &["grub.cfg"]),
    ("boot/grub2", &["grub.cfg"]),
    ("grub", &["grub.cfg"]),
    ("grub2", &["grub.cfg"]),
    ("boot/extlinux", &["extlinux.conf"]),
    ("extlinux", &["extlinux.conf"]),
    ("isolinux", &["*.cfg"]),
    ("syslinux", &["*.cfg"]),
    ("boot/isolinux", &["*.cfg"]),
    ("boot/syslinux", &["*.cfg"]),
    ("pxelinux.cfg", &["default"]),
    ("live", &["vmlinuz*", "initrd*", "*.squashfs"]),
    ("casper", &["vmlinuz*", "initrd*", "*.squashfs"]),
    ("install.amd", &["vmlinuz*", "initrd*"]),
    ("images/pxeboot", &["vmlinuz*", "initrd*"]),
    ("LiveOS", &["*.img"]),
    ("sources", &["boot.wim", "install.wim"]),
];

/// The paths, and how many more there are.
pub(super) fn find(files: &dyn Files) -> io::Result<(Vec<String>, usize)> {
    let mut directories = Directories { files, read: HashMap::new() };
    let (mut found, mut more) = (Vec::new(), 0);
    for (directory, patterns) in PLACES {
        take(&mut directories, directory, patterns, &mut found, &mut more)?;
    }
    let vendors = directories.get("EFI")?.map(|(_, entries)| entries).unwrap_or_default();
    let vendors = vendors.iter().filter(|entry| entry.directory);
    let vendors =
        vendors.filter(|entry| !["boot", "linux"].contains(&entry.name.to_ascii_lowercase().as_str()));
    for vendor in vendors.take(MAX_VENDORS) {
        let directory = format!("EFI/{}", vendor.name);
        take(&mut directories, &directory, &["*.efi", "grub.cfg"], &mut found, &mut more)?;
    }
    Ok((found, more))
}

fn take(
    directories: &mut Directories<'_>,
    directory: &str,
    patterns: &[&str],
    found: &mut Vec<String>,
    more: &mut usize,
) -> io::Result<()> {
    let Some((path, entries)) = directories.get(directory)? else { return Ok(()) };
    // A link leads to a file that has a name of its own.
    let wanted = |entry: &&Entry| {
        !entry.directory && !entry.link && patterns.iter().any(|pattern| matches(pattern, &entry.name))
    };
    for entry in entries.iter().filter(wanted) {
        if found.len() >= MAX_FILES {
            *more += 1;
            continue;
        }
        found.push(if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) });
    }
    Ok(())
}

fn matches(pattern: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (_, Some(start)) => name.starts_with(start),
        _ => name == pattern,
    }
}

/// Directories by path, whatever the case of their letters, each read once.
struct Directories<'a> {
    files: &'a dyn Files,
    read: HashMap<String, Option<(String, Vec<Entry>)>>,
}

impl Directories<'_> {
    /// The path as it is spelled there, and what is in it.
    fn get(&mut self, path: &str) -> io::Result<Option<(String, Vec<Entry>)>> {
        let key = path.to_ascii_lowercase();
        if let Some(known) = self.read.get(&key) {
            return Ok(known.clone());
        }
        let spelled = match path.rsplit_once('/') {
            _ if path.is_empty() => Some(String::new()),
            Some((parent, name)) => self
                .get(parent)?
                .and_then(|(parent, entries)| Some(format!("{parent}/{}", spelled_as(&entries, name)?))),
            None => self.get("")?.and_then(|(_, entries)| spelled_as(&entries, path)),
        };
        let found = match spelled {
            Some(path) => self.files.list(&path)?.map(|mut entries| {
                entries.sort_by(|a, b| a.name.cmp(&b.name));
                (path, entries)
            }),
            None => None,
        };
        self.read.insert(key, found.clone());
        Ok(found)
    }
}

fn spelled_as(entries: &[Entry], name: &str) -> Option<String> {
    let found = entries
        .iter()
        .find(|entry| (entry.directory || entry.link) && entry.name.eq_ignore_ascii_case(name))?;
    Some(found.name.clone())
}
