//! The roads by which a virtual machine gets to its image.

use std::str::FromStr;

use crate::machine::{Attach, Builder, Firmware, NicRom};

/// A way to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// UEFI HTTP Boot.
    Http,
    /// PXE: iPXE by TFTP, everything else by HTTP. QEMU's BIOS has iPXE in its network card already, so
    /// there the first step is done.
    Pxe,
    /// The firmware fetches the UKI itself by TFTP.
    Tftp,
    /// The iPXE that QEMU puts into the network card.
    Ipxe,
    /// QEMU puts kernel and initrd into memory.
    Direct,
    /// The UKI lies on an EFI system partition.
    Esp,
    /// The image is a disk.
    Disk,
    /// The image is a CD.
    Iso,
    /// The same ISO is a stick.
    Usb,
}

/// A road that a firmware does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a BIOS cannot take the road {road}: {why}")]
pub struct NoRoad {
    /// The road's name.
    pub road: &'static str,
    /// What is missing.
    pub why: &'static str,
}

impl Road {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Http,
        Self::Pxe,
        Self::Tftp,
        Self::Ipxe,
        Self::Direct,
        Self::Esp,
        Self::Disk,
        Self::Iso,
        Self::Usb,
    ];

    /// What happens on it, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Http => "UEFI HTTP Boot",
            Self::Pxe => "PXE: iPXE by TFTP, then HTTP",
            Self::Tftp => "The firmware fetches the UKI by TFTP",
            Self::Ipxe => "The iPXE in QEMU's network card",
            Self::Direct => "QEMU loads kernel and initrd",
            Self::Esp => "The UKI lies on an EFI system partition",
            Self::Disk => "The image is a disk with a GPT",
            Self::Iso => "The image is a CD",
            Self::Usb => "The same ISO is a USB stick",
        }
    }

    /// What a medium is to a machine that takes this road.
    pub fn attach(self) -> Option<Attach> {
        match self {
            Self::Disk => Some(Attach::Disk),
            Self::Iso => Some(Attach::Cd),
            Self::Usb => Some(Attach::Usb),
            _ => None,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Pxe => "pxe",
            Self::Tftp => "tftp",
            Self::Ipxe => "ipxe",
            Self::Direct => "direct",
            Self::Esp => "esp",
            Self::Disk => "disk",
            Self::Iso => "iso",
            Self::Usb => "usb",
        }
    }

    /// A machine that takes this road; where it is not the network, the caller still says what it
    /// [boots](Builder::boot).
    ///
    /// # Errors
    /// [`NoRoad`] for a BIOS that would need what only UEFI has.
    pub fn machine(self, firmware: Firmware) -> Result<Builder, NoRoad> {
        let builder = Builder::new(firmware);
        // OVMF tries PXE over IPv4, PXE over IPv6, then HTTP: what would fail costs two minutes.
        match (self, firmware) {
            (Self::Http | Self::Tftp | Self::Esp, Firmware::Bios) => {
                let why = match self {
                    Self::Http => "HTTP Boot is a part of UEFI",
                    Self::Tftp => "it runs no PE file; PXE gives it iPXE instead: --via pxe",
                    _ => "it reads no EFI system partition",
                };
                Err(NoRoad { road: self.name(), why })
            }
            (Self::Http, Firmware::Uefi) => Ok(builder.fw_cfg(IPV4_PXE, "n").fw_cfg(IPV6_PXE, "n")),
            (Self::Pxe | Self::Tftp, Firmware::Uefi) => Ok(builder.fw_cfg(IPV6_PXE, "n")),
            (Self::Ipxe, _) => Ok(builder.rom(NicRom::Ipxe)),
            // Without a ROM in its card a BIOS that cannot boot the medium says so at once.
            (Self::Disk | Self::Iso | Self::Usb, _) => Ok(builder.rom(NicRom::None)),
            (Self::Pxe, Firmware::Bios) | (Self::Direct | Self::Esp, _) => Ok(builder),
        }
    }
}

impl FromStr for Road {
    type Err = String;

    /// Reads its [name](Self::name).
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|road| road.name() == text)
            .ok_or_else(|| format!("there is no road {text:?}"))
    }
}

const IPV4_PXE: &str = "opt/org.tianocore/IPv4PXESupport";
const IPV6_PXE: &str = "opt/org.tianocore/IPv6PXESupport";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_road_is_found_by_its_name() {
        assert!(Road::ALL.into_iter().all(|road| road.name().parse() == Ok(road)));
        assert!("highway".parse::<Road>().is_err());
    }

    #[test]
    fn a_bios_is_told_which_roads_it_has_not() {
        let error = Road::Http.machine(Firmware::Bios).unwrap_err().to_string();
        assert_eq!(error, "a BIOS cannot take the road http: HTTP Boot is a part of UEFI");
        assert!(Road::Esp.machine(Firmware::Bios).is_err());
        assert!(Road::Direct.machine(Firmware::Bios).is_ok());
        assert!(Road::Pxe.machine(Firmware::Bios).is_ok());
    }
}
