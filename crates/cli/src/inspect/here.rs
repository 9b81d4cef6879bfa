//! Will it boot on this machine?

use std::path::Path;

use bootwright_inspect::{Boot, Firmware, Node, Value};

/// Where Linux shows the variable of UEFI: four bytes of attributes, then 1 when it is on.
const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// A machine, as far as it decides what it boots.
pub struct Machine {
    architecture: &'static str,
    firmware: Firmware,
    secure_boot: bool,
}

impl Machine {
    /// This one; `None` where its firmware is not shown, as in a container.
    pub fn this() -> Option<Self> {
        let uefi = Path::new("/sys/firmware/efi").exists();
        if !uefi && !Path::new("/sys/firmware/acpi").exists() {
            return None;
        }
        let variable = std::fs::read(SECURE_BOOT).unwrap_or_default();
        Some(Self {
            architecture: std::env::consts::ARCH,
            firmware: if uefi { Firmware::Uefi } else { Firmware::Bios },
            secure_boot: variable.last() == Some(&1),
        })
    }

    /// The verdict; `None` for what does not boot at all.
    pub fn verdict(&self, node: &Node) -> Option<String> {
        if node.boots.is_empty() {
            return None;
        }
        if let Some(way) = node.boots.iter().find(|boot| self.takes(boot)) {
            let unsigned = self.secure_boot && way.firmware == Firmware::Uefi && !signed(node);
            return Some(match unsigned {
                true => "no: Secure Boot is on, and what it starts is not signed".to_owned(),
                false => format!("yes, by {}: {}", way.firmware, way.starts),
            });
        }
        let loader = node.boots.iter().any(|boot| boot.firmware == Firmware::Loader && self.runs(boot));
        Some(match loader {
            true => "yes, by a boot loader or kexec".to_owned(),
            false => format!("no: this machine is {} with {}", self.architecture, self.firmware),
        })
    }

    fn takes(&self, boot: &Boot) -> bool {
        boot.firmware == self.firmware && self.runs(boot)
    }

    /// What does not say its processor may be for any; x86 is what a BIOS starts.
    fn runs(&self, boot: &Boot) -> bool {
        let x86 = |name: &str| matches!(name, "x86" | "i386") && self.architecture == "x86_64";
        boot.architecture.as_deref().is_none_or(|name| name == self.architecture || x86(name))
    }
}

/// Whether any program that it may start is signed; by whom firmware trusts is not known here.
fn signed(node: &Node) -> bool {
    node.find(&|node| node.facts.get("signed") == Some(&Value::Flag(true))).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_about_firmware_processor_and_secure_boot() {
        let mut node = Node::new("uki", "UKI", 0);
        let machine = |architecture, firmware, secure_boot| Machine { architecture, firmware, secure_boot };
        let uefi = machine("x86_64", Firmware::Uefi, false);
        assert_eq!(uefi.verdict(&node), None);
        node.boots(Firmware::Uefi, Some("x86_64"), "the file itself");
        assert_eq!(uefi.verdict(&node).unwrap(), "yes, by UEFI: the file itself");
        let secure = machine("x86_64", Firmware::Uefi, true);
        assert!(secure.verdict(&node).unwrap().starts_with("no: Secure Boot"));
        node.flag("signed", true);
        assert!(secure.verdict(&node).unwrap().starts_with("yes"));
        let arm = machine("aarch64", Firmware::Uefi, false);
        assert_eq!(arm.verdict(&node).unwrap(), "no: this machine is aarch64 with UEFI");
        let bios = machine("x86_64", Firmware::Bios, false);
        assert_eq!(bios.verdict(&node).unwrap(), "no: this machine is x86_64 with BIOS");
    }
}
