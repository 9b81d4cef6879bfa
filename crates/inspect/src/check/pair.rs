//! Kernel, initrd and stub of one UKI; kernel and initrd that lie beside each other.

use crate::initrd::{COMPRESSION, MODULES_FOR};
use crate::kernel::{CONFIGURATION, UNPACKS, too_old_for};
use crate::node::{Node, Severity, Value};

pub(super) fn uki(node: &mut Node) {
    let child = |name: &str| node.children.iter().find(|child| child.name.as_deref() == Some(name));
    let mut faults = Vec::new();
    if let Some(kernel) = child(".linux") {
        architectures(node, kernel, &mut faults);
        release(node, kernel, &mut faults);
        if let Some(initrd) = child(".initrd") {
            compression(kernel, initrd, &mut faults);
            modules(kernel, initrd, &mut faults);
            programs(kernel, initrd, &mut faults);
        }
    }
    for (severity, what, remedy) in faults {
        node.problem(severity, None, what, remedy);
    }
}

/// Kernels and initrds of one directory that belong together by their names: `vmlinuz-6.1` and
/// `initrd.img-6.1`.
pub(super) fn files(node: &mut Node) {
    let mut faults = Vec::new();
    for (index, initrd) in node.children.iter().enumerate().filter(|(_, child)| child.kind == "initrd") {
        let name = initrd.name.as_deref().and_then(|path| belongs(path, &INITRDS));
        let kernels = node.children.iter().filter(|child| KERNEL_KINDS.contains(&child.kind));
        let kernel = kernels
            .filter(|_| name.is_some())
            .find(|kernel| kernel.name.as_deref().and_then(|path| belongs(path, &KERNELS)) == name);
        let Some(kernel) = kernel else { continue };
        let mut found = Vec::new();
        compression(kernel, initrd, &mut found);
        modules(kernel, initrd, &mut found);
        programs(kernel, initrd, &mut found);
        faults.extend(found.into_iter().map(|fault| (index, fault)));
    }
    for (index, (severity, what, remedy)) in faults {
        if let Some(initrd) = node.children.get_mut(index) {
            initrd.problem(severity, None, what, remedy);
        }
    }
}

const KERNEL_KINDS: [&str; 3] = ["bzimage", "image", "zboot"];
const KERNELS: [&str; 3] = ["vmlinuz", "bzimage", "linux"];
const INITRDS: [&str; 3] = ["initrd.img", "initrd", "initramfs"];

/// Endings that say how an initrd is packed.
const ENDINGS: [&str; 5] = [".img", ".gz", ".xz", ".zst", ".lz4"];

/// The directory, and what distinguishes the file from others of its sort; `None` for another sort.
fn belongs<'a>(path: &'a str, sorts: &[&str]) -> Option<(&'a str, &'a str)> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let rest = sorts.iter().find_map(|sort| name.strip_prefix(sort))?;
    let rest = ENDINGS.iter().find_map(|ending| rest.strip_suffix(ending)).unwrap_or(rest);
    Some((directory, rest))
}

type Fault = (Severity, String, String);

fn list<'a>(node: &'a Node, name: &str) -> &'a [String] {
    match node.facts.get(name) {
        Some(Value::List(words)) => words,
        _ => &[],
    }
}

fn architectures(uki: &Node, kernel: &Node, faults: &mut Vec<Fault>) {
    let (Some(stub), Some(own)) = (uki.facts.text("architecture"), kernel.facts.text("architecture")) else {
        return;
    };
    if stub != own {
        let what = format!("the stub is for {stub}, the kernel for {own}: it does not start");
        faults.push((Severity::Error, what, format!("take the stub for {own}")));
    }
}

fn release(uki: &Node, kernel: &Node, faults: &mut Vec<Fault>) {
    if let (Some(told), Some(own)) = (uki.facts.text("kernel"), kernel.facts.text("release"))
        && told != own
    {
        let what = format!("its section .uname says {told}, the kernel is {own}");
        faults.push((Severity::Warning, what, "build it again".to_owned()));
    }
}

fn compression(kernel: &Node, initrd: &Node, faults: &mut Vec<Fault>) {
    let unpacks = list(kernel, UNPACKS);
    let release = kernel.facts.text("release").unwrap_or_default();
    let configured = kernel.facts.get(CONFIGURATION) == Some(&Value::Flag(true));
    // What is told without the configuration comes from messages, which these two have not.
    let has_message = |packed: &str| packed != "lzma" && packed != "lzo";
    for packed in list(initrd, COMPRESSION).iter().filter(|packed| *packed != "none") {
        let remedy =
            format!("pack the initrd with gzip, or take a kernel with CONFIG_RD_{}", packed.to_uppercase());
        if let Some(since) = too_old_for(release, packed) {
            let what =
                format!("the kernel {release} cannot unpack the initrd: {packed} came with Linux {since}");
            faults.push((Severity::Error, what, remedy));
        } else if !unpacks.contains(packed) && (configured || !unpacks.is_empty() && has_message(packed)) {
            let what = format!(
                "the kernel cannot unpack the initrd: it is {packed}, the kernel has {}",
                unpacks.join(", ")
            );
            faults.push((Severity::Error, what, remedy));
        }
    }
}

fn modules(kernel: &Node, initrd: &Node, faults: &mut Vec<Fault>) {
    let (releases, Some(release)) = (list(initrd, MODULES_FOR), kernel.facts.text("release")) else { return };
    if !releases.is_empty() && !releases.iter().any(|other| other == release) {
        let what = format!(
            "the initrd has modules for {}, the kernel is {release}: none loads",
            releases.join(", ")
        );
        faults.push((Severity::Error, what, "build the initrd for this kernel".to_owned()));
    }
}

fn programs(kernel: &Node, initrd: &Node, faults: &mut Vec<Fault>) {
    let (programs, Some(own)) = (list(initrd, "programs for"), kernel.facts.text("architecture")) else {
        return;
    };
    let runs = |other: &String| other == own || (own == "x86_64" && other == "i386");
    if !programs.is_empty() && !programs.iter().any(runs) {
        let what = format!("the initrd's programs are for {}, the kernel for {own}", programs.join(", "));
        faults.push((Severity::Error, what, "build the initrd for this machine".to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_and_initrd_belong_together_by_directory_and_version() {
        let pairs = [
            ("boot/vmlinuz-6.1.0-13-amd64", "boot/initrd.img-6.1.0-13-amd64"),
            ("boot/vmlinuz-6.12", "boot/initramfs-6.12.img"),
            ("live/vmlinuz", "live/initrd.img"),
            ("install.amd/vmlinuz", "install.amd/initrd.gz"),
        ];
        for (kernel, initrd) in pairs {
            assert!(belongs(kernel, &KERNELS).is_some());
            assert_eq!(belongs(kernel, &KERNELS), belongs(initrd, &INITRDS));
        }
        assert_ne!(belongs("a/vmlinuz", &KERNELS), belongs("b/initrd.img", &INITRDS));
        assert_eq!(belongs("boot/config-6.1", &KERNELS), None);
    }
}
