//! Kernel, initrd and stub of one UKI.

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
