//! Which modules an initrd gets before dependencies are followed: tables of rules, each with its reason.

use super::modules::name::Name;

/// What kind of machine the initrd is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// Any machine that boots over a wired network.
    Network,
    /// Any machine: wired network and storage.
    Generic,
    /// One machine, known by the modaliases of its devices (see [`host`](super::host)).
    Host(Vec<String>),
}

impl Profile {
    /// Its word on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Generic => "generic",
            Self::Host(_) => "host",
        }
    }

    /// The rules that choose by themselves. [`Profile::Host`] takes of the drivers what its hardware asks
    /// for.
    pub(super) fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        let (network, storage): (&[Rule], &[Rule]) = match self {
            Self::Network => (NETWORK, &[]),
            Self::Generic => (NETWORK, STORAGE),
            Self::Host(_) => (&[], &[]),
        };
        ROOT_MODES.iter().chain(network).chain(storage)
    }

    /// What a module in an initrd of another tool is good for.
    pub(super) fn purpose(path: &str, name: &Name) -> Option<&'static str> {
        let rules = ROOT_MODES.iter().chain(NETWORK).chain(STORAGE);
        rules.into_iter().find(|rule| rule.chooses(path, name)).map(|rule| rule.why)
    }

    /// For [`Profile::Host`]: why a module that answers to its hardware is of use in an initrd; `None`
    /// for sound, graphics and the like.
    pub(super) fn driver_of_host(path: &str, name: &Name) -> Option<&'static Rule> {
        NETWORK.iter().chain(STORAGE).find(|rule| rule.chooses(path, name))
    }
}

/// A rule of a profile.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    /// For what, as `initrd explain` tells it.
    pub(super) why: &'static str,
    pub(super) presence: Presence,
    pub(super) load: Load,
}

#[derive(Debug)]
pub(super) enum Pattern {
    /// Every module below a directory of `lib/modules/VERSION`, but those below or named like these.
    Under(&'static str, &'static [&'static str]),
    /// Modules by name.
    Named(&'static [&'static str]),
    /// Modules from outside the kernel's own tree (DKMS, vendors) that drive a wired NIC: they call one
    /// of [`NIC_SYMBOLS`] and none of [`WIRELESS_SYMBOLS`].
    ForeignNic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Without it, or without any of several names, there is no boot.
    Must,
    /// Taken when the kernel has it.
    May,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Listed in `/bootwright/modules.load`.
    AtOnce,
    /// Loaded by modalias or by whoever needs it.
    OnDemand,
}

impl Rule {
    /// Whether it chooses the module with that file; [`Pattern::ForeignNic`] wants a look inside it.
    pub(super) fn chooses(&self, path: &str, name: &Name) -> bool {
        match self.pattern {
            Pattern::Under(directory, but) => {
                let excepted = |but: &&str| path.starts_with(but) || Name::new(but) == *name;
                path.starts_with(directory) && !but.iter().any(excepted)
            }
            Pattern::Named(names) => names.iter().any(|wanted| Name::new(wanted) == *name),
            Pattern::ForeignNic => false,
        }
    }
}

const fn under(directory: &'static str, but: &'static [&'static str], why: &'static str) -> Rule {
    Rule { pattern: Pattern::Under(directory, but), why, presence: Presence::May, load: Load::OnDemand }
}

const fn named(names: &'static [&'static str], why: &'static str) -> Rule {
    Rule { pattern: Pattern::Named(names), why, presence: Presence::May, load: Load::OnDemand }
}

const fn at_once(presence: Presence, names: &'static [&'static str], why: &'static str) -> Rule {
    Rule { pattern: Pattern::Named(names), why, presence, load: Load::AtOnce }
}

/// Calls that only drivers of Ethernet devices make.
pub(super) const NIC_SYMBOLS: &[&str] = &["alloc_etherdev_mqs", "devm_alloc_etherdev_mqs", "usbnet_probe"];

/// Calls that make a driver of Ethernet frames a wireless one.
pub(super) const WIRELESS_SYMBOLS: &[&str] = &["wiphy_new_nm", "ieee80211_alloc_hw_nm"];

/// What the ways to a root file system need, on any machine.
const ROOT_MODES: &[Rule] = &[
    // First: libcrc32c asks for it by a soft dependency, which not every init follows.
    at_once(Presence::May, &["crc32c_generic"], "checksums of file systems"),
    at_once(Presence::Must, &["loop"], "the root image becomes a block device"),
    at_once(Presence::Must, &["overlay"], "the root is written to in memory"),
    at_once(Presence::Must, &["squashfs", "erofs"], "the file system of the root image"),
    at_once(Presence::Must, &["af_packet"], "DHCP before there is an address"),
    at_once(Presence::May, &["efivarfs"], "the firmware tells where the image came from"),
    named(&["ext4"], "the file system of the root image or of a cache"),
    named(&["vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"], "the EFI system partition"),
    named(&["nbd"], "a root that is streamed, or on another machine"),
    named(&["dm_mod", "dm_verity"], "a root that the kernel verifies"),
    named(&["sha256_generic", "sha256_ssse3", "sha256_arm64"], "hashes of dm-verity"),
    named(&["crc32c_intel", "crc32c_cryptoapi", "libcrc32c"], "checksums of file systems"),
    named(&["ipv6", "unix"], "sockets"),
    named(&["8021q", "bonding"], "vlan= and bond="),
    named(&["virtio_rng"], "a virtual machine's randomness: TLS waits for it"),
    named(&["virtio_pci", "virtio_mmio", "hv_vmbus"], "the bus of a virtual machine's devices"),
];

/// Every way to a wired network.
const NETWORK: &[Rule] = &[
    under(
        "kernel/drivers/net/ethernet/",
        // Chips of switches: they bring megabytes of firmware and boot nothing.
        &["kernel/drivers/net/ethernet/mellanox/mlxsw/", "kernel/drivers/net/ethernet/marvell/prestera/"],
        "wired network card",
    ),
    named(&["nvme_tcp"], "a root on another machine by NVMe over TCP"),
    named(&["iscsi_ibft"], "ip=ibft"),
    named(&["virtio_net", "vmxnet3", "hv_netvsc", "xen_netfront"], "a virtual machine's network card"),
    named(&["pci_hyperv", "xen_pcifront"], "network cards passed on to a virtual machine"),
    under("kernel/drivers/net/phy/", &[], "transceiver of a network card"),
    under("kernel/drivers/net/mdio/", &[], "way to the transceiver of a network card"),
    under("kernel/drivers/net/pcs/", &[], "serial side of a network card"),
    under(
        "kernel/drivers/net/usb/",
        // Modems and telephones.
        &[
            "cdc_mbim",
            "cdc_phonet",
            "hso",
            "huawei_cdc_ncm",
            "ipheth",
            "kalmia",
            "lg_vl600",
            "qmi_wwan",
            "sierra_net",
        ],
        "network adapter on USB",
    ),
    named(
        &["xhci_pci", "xhci_plat_hcd", "ehci_pci", "ehci_platform", "ohci_pci", "uhci_hcd"],
        "USB, for network adapters on it",
    ),
    Rule {
        pattern: Pattern::ForeignNic,
        why: "wired network card, driver from outside the kernel",
        presence: Presence::May,
        load: Load::OnDemand,
    },
];

/// Every way to a disk, and a keyboard for whoever looks after a machine that found none.
const STORAGE: &[Rule] = &[
    under("kernel/drivers/nvme/host/", &[], "NVMe disks"),
    under("kernel/drivers/ata/", &["pata_legacy"], "ATA disks"),
    under("kernel/drivers/scsi/", &["scsi_debug", "st", "ch", "osst"], "SCSI, SAS, iSCSI and their disks"),
    under("kernel/drivers/message/fusion/", &["mptctl", "mptlan"], "SAS disks"),
    under("kernel/drivers/ufs/", &[], "UFS disks"),
    under("kernel/drivers/mmc/", &["mmc_test"], "eMMC and SD cards"),
    under("kernel/drivers/nvdimm/", &[], "persistent memory"),
    under("kernel/drivers/usb/storage/", &[], "disks on USB"),
    under("kernel/drivers/usb/host/", &[], "USB, for disks on it"),
    under("kernel/drivers/md/", &["faulty", "dm_flakey", "dm_log_writes"], "RAID and mapped devices"),
    under("kernel/drivers/pci/controller/", &[], "PCI behind a controller, as NVMe behind VMD"),
    named(
        &["virtio_blk", "virtio_scsi", "xen_blkfront", "hv_storvsc", "vmw_pvscsi"],
        "a virtual machine's disk",
    ),
    named(&["isofs", "udf", "cdrom"], "optical discs and their images"),
    named(&["xfs", "btrfs", "f2fs", "exfat"], "file systems of disks"),
    named(&["nfs", "nfsv3", "nfsv4"], "a root on another machine by NFS"),
    named(&["usbhid", "hid_generic", "i8042", "atkbd", "hyperv_keyboard", "virtio_input"], "keyboards"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(profile: &Profile, path: &str) -> Option<&'static str> {
        let name = Name::of_path(path).unwrap();
        profile.rules().find(|rule| rule.chooses(path, &name)).map(|rule| rule.why)
    }

    #[test]
    fn the_network_profile_takes_wired_cards_and_leaves_radio_modems_and_disks() {
        for taken in ["ethernet/intel/e1000/e1000.ko", "virtio_net.ko.xz", "usb/r8152.ko", "phy/realtek.ko"] {
            assert!(reason(&Profile::Network, &format!("kernel/drivers/net/{taken}")).is_some(), "{taken}");
        }
        for left in [
            "kernel/drivers/net/wireless/intel/iwlwifi/iwlwifi.ko",
            "kernel/drivers/net/usb/qmi_wwan.ko",
            "kernel/drivers/net/ethernet/mellanox/mlxsw/mlxsw_core.ko",
            "kernel/drivers/nvme/host/nvme.ko",
        ] {
            assert_eq!(reason(&Profile::Network, left), None, "{left}");
        }
    }

    #[test]
    fn the_generic_profile_adds_disks_and_the_host_profile_only_what_its_hardware_asks_for() {
        let (nvme, e1000) =
            ("kernel/drivers/nvme/host/nvme.ko", "kernel/drivers/net/ethernet/intel/e1000/e1000.ko");
        assert_eq!(reason(&Profile::Generic, nvme), Some("NVMe disks"));
        assert!(reason(&Profile::Generic, e1000).is_some());
        let host = Profile::Host(Vec::new());
        assert_eq!(reason(&host, e1000), None);
        assert!(reason(&host, "kernel/fs/overlayfs/overlay.ko").is_some());
        assert!(Profile::driver_of_host(nvme, &Name::new("nvme")).is_some());
        assert!(
            Profile::driver_of_host("kernel/sound/pci/hda/snd-hda-intel.ko", &Name::new("snd_hda_intel"))
                .is_none()
        );
    }
}
