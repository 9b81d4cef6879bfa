//! How a whole boots, from how its parts do.

use crate::node::{Firmware, Node};

/// The default path of removable media: UEFI 2.10, 3.5.1.1.
const DEFAULT: &str = "efi/boot/boot";

/// Adds the ways of what is inside.
pub(super) fn gather(node: &mut Node) {
    let mut found = Vec::new();
    for child in &node.children {
        let Some(name) = &child.name else {
            // The disk in a disk format boots as the format does.
            found.extend(child.boots.iter().cloned());
            continue;
        };
        let lower = name.to_ascii_lowercase();
        for boot in &child.boots {
            if lower.starts_with(DEFAULT) && lower.ends_with(".efi") && boot.firmware == Firmware::Uefi {
                let starts = format!("\\{}", name.replace('/', "\\"));
                found.push(crate::node::Boot { starts, ..boot.clone() });
            } else if boot.starts.starts_with('\\') && name.parse::<u32>().is_ok() {
                let starts = format!("{}, partition {name}", boot.starts);
                found.push(crate::node::Boot { starts, ..boot.clone() });
            }
        }
    }
    for boot in found {
        if !node.boots.contains(&boot) {
            node.boots.push(boot);
        }
    }
}
