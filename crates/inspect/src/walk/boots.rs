//! How a whole boots, from how its parts do.

use crate::node::{Boot, Firmware, Node};

/// The default paths of removable media, and the processors whose firmware starts them: UEFI 2.10, 3.5.1.1.
const DEFAULTS: [(&str, &str); 6] = [
    ("efi/boot/bootx64.efi", "x86_64"),
    ("efi/boot/bootia32.efi", "i386"),
    ("efi/boot/bootaa64.efi", "aarch64"),
    ("efi/boot/bootarm.efi", "arm"),
    ("efi/boot/bootriscv64.efi", "riscv64"),
    ("efi/boot/bootloongarch64.efi", "loongarch64"),
];

/// Archives that hold disks, and the disks.
const ARCHIVES: [&str; 3] = ["ova", "vagrant-box", "tar"];
const DISKS: [&str; 7] = ["gpt", "mbr", "qcow2", "vmdk", "vhd", "vhdx", "vdi"];

/// For which processor a file is, when its path is a default path.
pub(crate) fn processor_of(path: &str) -> Option<&'static str> {
    let known = DEFAULTS.iter().find(|(default, _)| path.eq_ignore_ascii_case(default));
    known.map(|(_, architecture)| *architecture)
}

/// Adds the ways of what is inside.
pub(super) fn gather(node: &mut Node) {
    let mut found = Vec::new();
    for child in &node.children {
        let Some(name) = &child.name else {
            // The disk in a disk format boots as the format does; firmware unpacks nothing.
            let once = if node.kind == "compressed" { ", once unpacked" } else { "" };
            let boots = child.boots.iter();
            found.extend(boots.map(|boot| Boot { starts: format!("{}{once}", boot.starts), ..boot.clone() }));
            continue;
        };
        // The disks of an appliance, box or archive boot where it is imported.
        if DISKS.contains(&child.kind) && ARCHIVES.contains(&node.kind) {
            found.extend(
                child
                    .boots
                    .iter()
                    .map(|boot| Boot { starts: format!("{}, in {name}", boot.starts), ..boot.clone() }),
            );
            continue;
        }
        let default = processor_of(name);
        for boot in &child.boots {
            if default.is_some() && boot.firmware == Firmware::Uefi {
                // Firmware of this processor does not look at the path, that of another does not start it.
                if default != boot.architecture.as_deref() {
                    continue;
                }
                let path = format!("\\{}", name.replace('/', "\\"));
                // Firmware reads no ISO 9660: the same path is in the boot image, or is there to be copied.
                let starts = if node.kind == "iso" { format!("{path}, once copied to FAT") } else { path };
                found.push(Boot { starts, ..boot.clone() });
            } else if is_default(boot) && name.parse::<u32>().is_ok() {
                let starts = format!("{}, partition {name}", boot.starts);
                found.push(Boot { starts, ..boot.clone() });
            }
        }
    }
    if node.kind == "iso" {
        processors(node);
    }
    for boot in found {
        if !node.boots.contains(&boot) {
            node.boots.push(boot);
        }
    }
}

/// A way by the default path of a file system.
fn is_default(boot: &Boot) -> bool {
    boot.firmware == Firmware::Uefi && boot.starts.starts_with('\\')
}

/// The boot catalogue of a CD does not say for which processor an image is; the image does.
fn processors(node: &mut Node) {
    let images = node.children.iter().filter(|child| child.facts.get("bootable").is_some());
    let known = images.flat_map(|image| &image.boots).find(|boot| is_default(boot));
    let architecture = known.and_then(|boot| boot.architecture.clone());
    for boot in node.boots.iter_mut().filter(|boot| boot.firmware == Firmware::Uefi) {
        boot.architecture = boot.architecture.take().or_else(|| architecture.clone());
    }
}
