//! Partitions and what is in them; the root that a command line names.

use crate::initrd::{DRIVERS, MODULES};
use crate::kernel::BUILT_IN;
use crate::node::{Firmware, Node, Severity, Value};
use crate::walk::processor_of;

/// What a partition table calls the EFI system partition.
pub(crate) const ESP: &str = "EFI system partition";

pub(super) fn partitions(node: &mut Node) {
    for child in node.children.iter_mut().filter(|child| child.facts.text("type") == Some(ESP)) {
        if child.kind != "fat" {
            let what = "an EFI system partition that is not FAT: firmware does not read it";
            child.problem(Severity::Error, 0, what, "make a FAT file system in it");
        } else if !child.boots.iter().any(|boot| boot.firmware == Firmware::Uefi) && !has_default(child) {
            let what = "no \\EFI\\BOOT\\BOOT<ARCH>.EFI: it boots only where firmware has an entry of its own";
            child.problem(Severity::Warning, None, what, "copy the boot loader there, too");
        }
    }
}

/// Whether a default path is there, be it broken.
fn has_default(esp: &Node) -> bool {
    esp.children.iter().filter_map(|child| child.name.as_deref()).any(|name| processor_of(name).is_some())
}

/// Whether what lies at a default path is for the processor whose firmware looks there.
pub(super) fn default_paths(node: &mut Node) {
    for child in &mut node.children {
        let wanted = child.name.as_deref().and_then(processor_of);
        let (Some(wanted), Some(own)) = (wanted, child.facts.text("architecture").map(str::to_owned)) else {
            continue;
        };
        if own != wanted {
            let what = format!("it is for {own}, and firmware of {wanted} looks here: it refuses it");
            child.problem(Severity::Error, None, what, format!("put the program for {wanted} here"));
        }
    }
}

/// Follows `root=` of each command line to a file system of the same tree, and looks whether the initrd beside
/// the command line has its driver.
pub(super) fn roots(top: &mut Node) {
    let mut systems = Vec::new();
    collect(top, &mut systems);
    lines(top, &systems);
}

/// A file system by the words with which `root=` may name it.
struct System {
    kind: &'static str,
    names: Vec<String>,
}

fn collect(node: &Node, systems: &mut Vec<System>) {
    let mut names = Vec::new();
    for (fact, word) in
        [("uuid", "UUID"), ("label", "LABEL"), ("partition uuid", "PARTUUID"), ("name", "PARTLABEL")]
    {
        names.extend(node.facts.text(fact).map(|value| format!("{word}={value}").to_lowercase()));
    }
    if !names.is_empty() {
        systems.push(System { kind: node.kind, names });
    }
    node.children.iter().for_each(|child| collect(child, systems));
}

/// Words of a command line that put a mapping between the disk and the root, with its driver.
const MAPPINGS: [(&str, &str); 5] = [
    ("roothash=", "dm_verity"),
    ("usrhash=", "dm_verity"),
    ("rd.luks.uuid=", "dm_crypt"),
    ("luks.uuid=", "dm_crypt"),
    ("cryptdevice=", "dm_crypt"),
];

fn lines(node: &mut Node, systems: &[System]) {
    node.children.iter_mut().for_each(|child| lines(child, systems));
    if node.kind != "uki" {
        return;
    }
    let line = node.facts.text("command line").unwrap_or_default().to_owned();
    let mapped = MAPPINGS.iter().find(|(word, _)| line.split_whitespace().any(|part| part.starts_with(word)));
    if let Some((_, driver)) = mapped {
        driver_for(node, driver);
    }
    let Some(root) = line.split_whitespace().rev().find_map(|word| word.strip_prefix("root=")) else {
        return;
    };
    let wanted = root.trim_matches('"').to_lowercase();
    let Some(system) = systems.iter().find(|system| system.names.contains(&wanted)) else {
        // Alone, a UKI has no root beside it; within a disk that has others, the root may be on another disk.
        if systems.iter().any(|system| is_root(system.kind)) && wanted.contains("uuid=") {
            let what = format!("root={root} is not on this disk");
            node.problem(Severity::Note, None, what, "see that the machine has the disk with it");
        }
        return;
    };
    match system.kind {
        "ext2" | "ext3" => driver_for(node, "ext4"),
        "luks" => driver_for(node, "dm_crypt"),
        kind if is_root(kind) => driver_for(node, kind),
        _ => {}
    }
}

/// Notes a fault when neither the initrd nor, as far as that is known, the kernel has the driver.
fn driver_for(node: &mut Node, name: &str) {
    let child = |name: &str| node.children.iter().find(|child| child.name.as_deref() == Some(name));
    let Some(initrd) = child(".initrd") else { return };
    // What is in it is known only once it was unpacked.
    if initrd.facts.get(MODULES).is_none() {
        return;
    }
    let drivers = match initrd.facts.get(DRIVERS) {
        Some(Value::List(drivers)) => drivers.as_slice(),
        _ => &[],
    };
    let built_in = child(".linux").and_then(|kernel| kernel.facts.get(BUILT_IN));
    let built_in =
        matches!(built_in, Some(Value::List(built_in)) if built_in.iter().any(|driver| driver == name));
    if built_in || drivers.iter().any(|driver| driver == name) {
        return;
    }
    let sure = initrd.facts.get("knows what is built in") == Some(&Value::Flag(true));
    let severity = if sure { Severity::Error } else { Severity::Warning };
    let doubt = if sure { "" } else { ", unless the kernel has it built in" };
    let what = format!("the initrd has no driver for its root, {name}{doubt}");
    node.problem(severity, None, what, format!("build the initrd with the module {name}"));
}

fn is_root(kind: &str) -> bool {
    matches!(kind, "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "erofs" | "squashfs")
}
