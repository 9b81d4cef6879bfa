//! What firmware of one make does differently, as data: who it is, and what is changed for it.

use crate::arch::Architecture;
use crate::machine::{Asker, Facts};

/// Which machines a quirk is for: every field that is given must match.
#[derive(Debug, Clone, Copy, Default)]
pub struct Who {
    /// The maker's part of the MAC is one of these; empty for any.
    pub ouis: &'static [[u8; 3]],
    /// The vendor class (option 60) begins so; empty for any.
    pub vendor_class: &'static str,
    /// The machine lists this architecture.
    pub architecture: Option<Architecture>,
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The machine is of this architecture, whatever it says.
    Architecture(Architecture),
    /// Option 43 of the answer has these bytes.
    VendorOption(&'static [u8]),
    /// The offer leaves the boot file out, the machine asks port 4011 for it.
    AskAgain,
}

/// One line of the table.
#[derive(Debug)]
pub struct Quirk {
    /// For people.
    pub name: &'static str,
    /// Which machines.
    pub who: Who,
    /// What is changed.
    pub changes: &'static [Change],
}

/// Sub-options of option 43 (PXE 2.1 table 2-1): discovery control 3, prompt `PXE` after 0 s, a menu of
/// one line with the text that the boot ROM searches for.
const RASPBERRY_PI_BOOT: &[u8] = b"\x06\x01\x03\x0a\x04\x00PXE\x09\x14\x00\x00\x11Raspberry Pi Boot\xff";

/// Every quirk we know.
pub const TABLE: &[Quirk] = &[Quirk {
    name: "Raspberry Pi boot ROM",
    // It says BIOS. Its makers' prefixes, from IEEE's list.
    who: Who {
        ouis: &[
            [0xb8, 0x27, 0xeb],
            [0xdc, 0xa6, 0x32],
            [0xe4, 0x5f, 0x01],
            [0x28, 0xcd, 0xc1],
            [0xd8, 0x3a, 0xdd],
            [0x2c, 0xcf, 0x67],
        ],
        vendor_class: "PXEClient",
        architecture: Some(Architecture::BIOS),
    },
    changes: &[Change::Architecture(Architecture::RASPBERRY_PI), Change::VendorOption(RASPBERRY_PI_BOOT)],
}];

impl Who {
    fn is(&self, facts: &Facts) -> bool {
        let class = facts.vendor_class.as_deref().unwrap_or_default();
        (self.ouis.is_empty() || self.ouis.contains(&facts.machine.mac.oui()))
            && class.starts_with(self.vendor_class)
            && self.architecture.is_none_or(|wanted| facts.architectures.contains(&wanted))
    }
}

/// The changes from `table` for the firmware that asks. iPXE and the agent have left the firmware's ways
/// behind: nothing is changed for them.
pub fn changes(table: &'static [Quirk], facts: &Facts) -> Vec<Change> {
    let firmware = matches!(facts.asker, Asker::Pxe | Asker::HttpBoot);
    let quirks = table.iter().filter(|quirk| firmware && quirk.who.is(facts));
    quirks.flat_map(|quirk| quirk.changes.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Mac, Machine};

    fn pi() -> Facts {
        Facts {
            machine: Machine { mac: Mac([0xdc, 0xa6, 0x32, 1, 2, 3]), uuid: None },
            asker: Asker::Pxe,
            architectures: vec![Architecture::BIOS],
            vendor_class: Some("PXEClient:Arch:00000:UNDI:002001".into()),
            user_class: None,
        }
    }

    #[test]
    fn a_raspberry_pi_that_says_bios_is_known_by_its_maker() {
        let changes = changes(TABLE, &pi());
        assert!(changes.contains(&Change::Architecture(Architecture::RASPBERRY_PI)));
        assert!(matches!(changes.as_slice(), [_, Change::VendorOption(bytes)] if bytes.len() == 32));
    }

    #[test]
    fn ipxe_on_a_raspberry_pi_is_ipxe() {
        assert!(changes(TABLE, &Facts { asker: Asker::Ipxe, ..pi() }).is_empty());
    }
}
