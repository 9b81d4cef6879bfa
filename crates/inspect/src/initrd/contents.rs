//! What is in an initrd, when it is unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::sync::Arc;

use bootwright_formats::cpio::Kind;
use bootwright_formats::initrd::{Error, Reader};

use super::{DRIVERS, MODULES, MODULES_FOR};
use crate::bytes::{Bytes, printable};
use crate::node::{Node, Severity};
use crate::source::{Source, Stream};

/// The most that an initrd is unpacked to here.
const MAX_UNPACKED: u64 = 4 << 30;

/// The most members: bounds the time.
const MAX_MEMBERS: u64 = 1 << 20;

/// The largest `modules.builtin` that is read: real ones have some 10 KiB.
const MAX_BUILTIN: u64 = 1 << 20;

/// Modules without which some root is not found: controllers, file systems, mappings.
const ROOT_DRIVERS: [&str; 30] = [
    "ahci",
    "ata_piix",
    "btrfs",
    "dm_crypt",
    "dm_mod",
    "dm_verity",
    "erofs",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "hv_storvsc",
    "isofs",
    "loop",
    "mmc_block",
    "mptspi",
    "nfs",
    "ntfs3",
    "nvme",
    "overlay",
    "sd_mod",
    "sr_mod",
    "squashfs",
    "uas",
    "usb_storage",
    "vfat",
    "virtio_blk",
    "virtio_scsi",
    "vmw_pvscsi",
    "xfs",
];

/// What was met on the way.
#[derive(Default)]
struct Contents {
    files: u64,
    modules: u64,
    releases: BTreeSet<String>,
    drivers: BTreeSet<String>,
    builtin: bool,
    init: bool,
    /// Architectures of ELF programs, with one of each.
    programs: BTreeMap<&'static str, String>,
}

pub(super) fn look(node: &mut Node, source: &Source) {
    let mut reader = Reader::with_limit(Stream::whole(Arc::clone(source)), MAX_UNPACKED);
    let mut contents = Contents::default();
    let read = walk(&mut reader, &mut contents);
    let unpacked = reader.segments().iter().map(|segment| segment.unpacked).sum::<u64>();
    match read {
        Ok(()) => {}
        Err(Error::Unsupported { compression, .. }) => {
            node.needs(format!(
                "to be unpacked by a program that knows {compression}: its content is not known"
            ));
            return;
        }
        Err(error) => {
            let what = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), |why| format!("{error}: {why}"));
            node.problem(Severity::Error, place(&error), what, "build the initrd again");
            return;
        }
    }
    node.bytes("unpacked", unpacked).number("files", contents.files).number(MODULES, contents.modules);
    node.list(MODULES_FOR, contents.releases.iter().cloned().collect());
    node.list(DRIVERS, contents.drivers.iter().cloned().collect());
    node.flag("knows what is built in", contents.builtin);
    node.list("programs for", contents.programs.keys().map(|&name| name.to_owned()).collect());
    judge(node, &contents);
}

fn judge(node: &mut Node, contents: &Contents) {
    if !contents.init {
        let what = "no /init in it: the kernel goes on without it, to root= at once";
        node.problem(Severity::Warning, None, what, "see that it is not only the first part of an initrd");
    }
    let mut programs = contents.programs.iter();
    if let (Some((first, path)), Some((other, second))) = (programs.next(), programs.next()) {
        let what = format!("programs of two architectures: {path} is for {first}, {second} for {other}");
        node.problem(Severity::Warning, None, what, "build it again from files of one machine");
    }
    if contents.releases.len() > 1 {
        let what = "modules of more than one kernel are inside";
        node.problem(Severity::Note, None, what, "");
    }
}

fn place(error: &Error) -> Option<u64> {
    match error {
        Error::Read { offset, .. }
        | Error::Unknown { offset, .. }
        | Error::Misplaced { offset }
        | Error::Unsupported { offset, .. }
        | Error::Segment { offset, .. }
        | Error::TooLarge { offset, .. }
        | Error::TooManySegments { offset } => Some(*offset),
    }
}

fn walk(reader: &mut Reader<Stream>, contents: &mut Contents) -> Result<(), Error> {
    let mut members = 0;
    while let Some(mut entry) = reader.next_entry()? {
        members += 1;
        if members > MAX_MEMBERS {
            return Ok(());
        }
        contents.files += u64::from(entry.metadata().kind() != Some(Kind::Directory));
        let path = printable(entry.path());
        let path = path.trim_start_matches("./").trim_start_matches('/');
        contents.init |= path == "init";
        let inside = path.strip_prefix("usr/").unwrap_or(path);
        let Some((release, module)) =
            inside.strip_prefix("lib/modules/").and_then(|rest| rest.split_once('/'))
        else {
            if is_program(inside) && entry.size() > 20 {
                let mut head = [0; 20];
                // A member that is cut off is told by the next step.
                if entry.read_exact(&mut head).is_ok()
                    && let Some(architecture) = elf_architecture(&head)
                {
                    contents.programs.entry(architecture).or_insert_with(|| format!("/{path}"));
                }
            }
            continue;
        };
        let release = release.to_owned();
        if module == "modules.builtin" {
            let mut text = String::new();
            let read: io::Result<usize> = (&mut entry).take(MAX_BUILTIN).read_to_string(&mut text);
            contents.builtin |= read.is_ok();
            for line in text.lines() {
                contents.driver(line);
            }
        } else if contents.driver(module) {
            contents.modules += 1;
            contents.releases.insert(release);
        }
    }
    Ok(())
}

impl Contents {
    /// Notes a module, if it is one: `kernel/fs/ext4/ext4.ko.xz`.
    fn driver(&mut self, path: &str) -> bool {
        let file = path.rsplit('/').next().unwrap_or_default();
        let Some((name, _)) = file.split_once(".ko") else { return false };
        let name = name.replace('-', "_");
        if ROOT_DRIVERS.contains(&name.as_str()) {
            self.drivers.insert(name);
        }
        true
    }
}

fn is_program(path: &str) -> bool {
    path == "init" || path.starts_with("bin/") || path.starts_with("sbin/") || path.contains("/systemd/")
}

/// `e_machine` of an ELF file.
pub(crate) fn elf_architecture(head: &[u8]) -> Option<&'static str> {
    let head = Bytes(head.to_vec());
    if !head.has(0, b"\x7fELF") {
        return None;
    }
    let machine = if head.u8(5) == Some(2) { head.be16(18) } else { head.le16(18) };
    Some(match machine? {
        3 => "i386",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        21 => "ppc64",
        22 => "s390x",
        _ => "another architecture",
    })
}
