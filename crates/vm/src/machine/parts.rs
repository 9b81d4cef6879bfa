//! What a machine can be made of.

use std::path::PathBuf;

/// What the machine boots from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// The network, by the firmware's or the ROM's own means.
    Network,
    /// An EFI system partition that holds this file as `/EFI/BOOT/BOOTX64.EFI`.
    Esp(PathBuf),
    /// A disk, stick or CD.
    Medium {
        /// Its file: raw, ISO, qcow2, VMDK, VHD, VHDX or VDI, told by the end of its name. What the guest
        /// writes to it is thrown away.
        file: PathBuf,
        /// What it is to the machine.
        attach: Attach,
    },
    /// A kernel and an initrd that QEMU puts into memory.
    Kernel {
        /// A bzImage.
        kernel: PathBuf,
        /// The initrd.
        initrd: PathBuf,
        /// The command line.
        cmdline: String,
    },
}

/// What a medium is to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// A disk on AHCI, which every firmware and system drives.
    Disk,
    /// A disk of virtio with sectors of 4096 bytes, which AHCI has not in QEMU.
    Disk4Kn,
    /// A CD on AHCI.
    Cd,
    /// A stick on USB 3.
    Usb,
}

/// What drives the network card before an operating system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NicRom {
    /// None: UEFI has drivers of its own, which iPXE's ROM would replace.
    None,
    /// The one that QEMU brings: iPXE.
    Ipxe,
}

/// The network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NicModel {
    /// `virtio-net-pci`.
    Virtio,
    /// `e1000e`, as real as QEMU gets.
    E1000e,
}

/// What a reboot of the guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReboot {
    /// The machine boots again.
    Restart,
    /// QEMU ends.
    Exit,
}

/// Where the serial console goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Console {
    /// Into the machine's transcript, and as it is into a file.
    Captured {
        /// The file.
        copy: Option<PathBuf>,
    },
    /// This terminal, both ways; Ctrl-A X ends the machine.
    Terminal,
}

/// What a machine takes for a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    None,
    /// A BIOS writes on the serial console as well.
    Serial,
    /// A VGA card, whose picture can be taken.
    Vga,
}
