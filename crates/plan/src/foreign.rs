//! The parameters of other boot systems: what the agent makes of each.
//!
//! [`entries`] is the table of docs/cmdline.md, and the tests hold every line of it against the readers.

mod images;

use std::fmt;

use bootwright_image::cmdline;

/// Whose parameter it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// The kernel's own IP configuration, nfsroot.rst.
    Kernel,
    /// pxelinux, iPXE and everybody after them.
    Pxelinux,
    /// dracut.cmdline(7).
    Dracut,
    /// systemd's generators, kernel-command-line(7).
    Systemd,
    /// Debian's live-boot(7).
    LiveBoot,
    /// Ubuntu's casper(7).
    Casper,
    /// aria2-initrd.
    Aria2,
    /// Several, none of which is the first.
    Others,
}

impl System {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Pxelinux => "pxelinux",
            Self::Dracut => "dracut",
            Self::Systemd => "systemd",
            Self::LiveBoot => "live-boot",
            Self::Casper => "casper",
            Self::Aria2 => "aria2-initrd",
            Self::Others => "others",
        }
    }

    /// Whether its names, which may be generic, count on a line.
    pub fn counts_on(self, line: &cmdline::CommandLine) -> bool {
        match self {
            Self::LiveBoot => line.get("boot") == Some("live"),
            Self::Casper => line.get("boot") == Some("casper"),
            _ => true,
        }
    }
}

/// How far it is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As there.
    Same,
    /// As there, and what that system leaves open is done too.
    Better,
    /// It has no effect.
    NotUnderstood,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::NotUnderstood => "not understood",
        })
    }
}

/// A parameter of another boot system.
#[derive(Debug)]
pub struct Entry {
    /// Whose.
    pub system: System,
    /// Its key.
    pub key: &'static str,
    /// How its value begins, where the key alone says nothing.
    pub value: &'static str,
    /// One that is valid there.
    pub example: &'static str,
    /// What is made of it.
    pub verdict: Verdict,
    /// How it is better, or why it has no effect and what to say instead.
    pub text: &'static str,
}

const CLOCK: &str =
    "asked when the clock cannot be right or TLS needs it, and never believed before the date of the image";
const LAYERS: &str = "a machine boots through a card, a bond or a VLAN; the system makes what else it wants";

const fn entry(
    system: System,
    (key, value): (&'static str, &'static str),
    example: &'static str,
    verdict: Verdict,
    text: &'static str,
) -> Entry {
    Entry { system, key, value, example, verdict, text }
}

use System::{Aria2, Dracut, Kernel, Others, Pxelinux};
use Verdict::{Better, NotUnderstood, Same};

/// All that are known, as in docs/cmdline.md.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter().chain(images::ENTRIES)
}

/// The network, kernels to start, the clock.
const ENTRIES: &[Entry] = &[
    entry(
        Kernel,
        ("ip", ""),
        "ip=10.0.0.2::10.0.0.1:255.255.255.0:n1:eth0:off:10.0.0.3",
        Better,
        "every field but the host name; drivers may be modules, and names that udev gives (enp1s0) find the interface",
    ),
    entry(
        Pxelinux,
        ("BOOTIF", ""),
        "BOOTIF=01-52-54-00-12-34-56",
        Same,
        "only this interface, unless ip= names one",
    ),
    entry(Dracut, ("rd.bootif", ""), "rd.bootif=0", Same, "BOOTIF= does not count"),
    entry(
        Dracut,
        ("ip", "dhcp"),
        "ip=dhcp",
        Better,
        "all interfaces ask at the same time, the first that reaches the image's server is used",
    ),
    entry(Dracut, ("ip", "dhcp6"), "ip=dhcp6", Better, "the lease goes on in the system"),
    entry(
        Dracut,
        ("ip", "auto6"),
        "ip=auto6",
        Better,
        "name servers come from the router, or by stateless DHCPv6 when it says so",
    ),
    entry(Dracut, ("ip", "either6"), "ip=either6", Better, "the router says which: SLAAC or DHCPv6"),
    entry(Dracut, ("ip", "["), "ip=[fd00::2]::[fd00::1]:64::eth0:none", Same, "IPv6 as given"),
    entry(
        Dracut,
        ("ip", "ibft"),
        "ip=ibft",
        Same,
        "address, VLAN and name servers of the firmware's table of iSCSI; its target is left to the system",
    ),
    entry(
        Dracut,
        ("ip", ""),
        "ip=enp1s0:dhcp:9000:52:54:00:12:34:56",
        Same,
        "interface, method, MTU, hardware address; no peer of a point-to-point link",
    ),
    entry(Dracut, ("bootdev", ""), "bootdev=eth1", Same, "the interface that leads to the image"),
    entry(
        Dracut,
        ("ifname", ""),
        "ifname=data:52:54:00:12:34:56",
        Same,
        "another name for the interface on the line; the system's own rules name it later",
    ),
    entry(Dracut, ("nameserver", ""), "nameserver=10.0.0.3", Same, "before those that DHCP and routers name"),
    entry(Dracut, ("rd.peerdns", ""), "rd.peerdns=0", Same, "name servers of DHCP and routers do not count"),
    entry(
        Dracut,
        ("rd.route", ""),
        "rd.route=10.9.0.0/16:10.0.0.1:eth0",
        Same,
        "beside those of ip= and DHCP",
    ),
    entry(
        Dracut,
        ("rd.neednet", ""),
        "rd.neednet=1",
        NotUnderstood,
        "the network comes up where the image needs it; else it is left to the system",
    ),
    entry(
        Dracut,
        ("rd.net.timeout.dhcp", ""),
        "rd.net.timeout.dhcp=90",
        Same,
        "how long an address is waited for; .ipv6auto, .carrier and .iflink, too",
    ),
    entry(Dracut, ("vlan", ""), "vlan=vlan0005:eth0", Same, "all four styles of names; on a bond, too"),
    entry(
        Dracut,
        ("bond", ""),
        "bond=bond0:eth0,eth1:mode=active-backup,miimon=100:9000",
        Better,
        "comes up with the first member, others join when they appear; signals are watched without being told",
    ),
    entry(Dracut, ("team", ""), "team=team0:eth0,eth1", NotUnderstood, LAYERS),
    entry(Dracut, ("bridge", ""), "bridge=br0:eth0", NotUnderstood, LAYERS),
    entry(
        Dracut,
        ("proxy", ""),
        "proxy=http://10.0.0.9:3128",
        Better,
        "for HTTP and HTTPS of the agent, hosts of bootwright.no_proxy= excepted; proxies that speak HTTPS or SOCKS are not understood",
    ),
    entry(
        Dracut,
        ("root", "nbd:"),
        "root=nbd:10.0.0.1:root:ext4",
        Better,
        "the kernel's NBD, connected again when its server was away; a pinned image on it is verified, else it takes bootwright.verify=off; not nbd-client's options",
    ),
    entry(
        Dracut,
        ("root", "nfs:"),
        "root=nfs:10.0.0.1:/srv/root:rsize=65536",
        Same,
        "with bootwright.verify=off and an initrd that pins nothing; server and path have to be given",
    ),
    entry(
        Dracut,
        ("root", "nfs4:"),
        "root=nfs4:10.0.0.1:/srv/root",
        Same,
        "as root=nfs:, by version 4 alone",
    ),
    entry(
        Dracut,
        ("netroot", ""),
        "netroot=nbd:10.0.0.1:root",
        Same,
        "as root=; by DHCP or iSCSI it is not understood",
    ),
    entry(
        Dracut,
        ("rd.nvmf.discover", ""),
        "rd.nvmf.discover=tcp,10.0.0.1,,4420",
        Same,
        "every subsystem that the discovery controller names; TCP alone; verified as root=nbd: is",
    ),
    entry(
        Dracut,
        ("rd.nvmf.hostnqn", ""),
        "rd.nvmf.hostnqn=nqn.2014-08.lab:m1",
        Same,
        "else the name follows from the SMBIOS UUID",
    ),
    entry(
        Dracut,
        ("rd.nvmf.hostid", ""),
        "rd.nvmf.hostid=5b3ac5a8-7bd3-4f5c-9a57-8b0b9c7e0001",
        Same,
        "beside rd.nvmf.hostnqn=",
    ),
    entry(
        Aria2,
        ("kernel_url", ""),
        "kernel_url=http://s/vmlinuz",
        Better,
        "resumes, may be a UKI; an initrd that pins an image wants kernel_sha= too",
    ),
    entry(Aria2, ("initrd_url", ""), "initrd_url=http://s/initrd.img", Better, "as kernel_url="),
    entry(
        Aria2,
        ("kernel_sha", ""),
        "kernel_sha=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        Better,
        "checked always; there, a missing one passed for verified",
    ),
    entry(
        Aria2,
        ("initrd_sha", ""),
        "initrd_sha=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        Better,
        "as kernel_sha=",
    ),
    entry(
        Aria2,
        ("next_kernel_params", ""),
        "next_kernel_params=\"console=ttyS0 quiet\"",
        Better,
        "quoted values keep their spaces",
    ),
    entry(
        Aria2,
        ("url", ""),
        "url=http://s/a,http://s/b",
        Better,
        "fetched as its README says; its init reads it not at all",
    ),
    entry(Aria2, ("output_dir", ""), "output_dir=/run/files", Better, "as url="),
    entry(
        Aria2,
        ("aria2_options", ""),
        "aria2_options=\"-m 3 -t 30 --checksum=sha-256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"",
        Better,
        "-m, -t, --retry-wait and --checksum=sha-256= count; how it fetches (-s, -x, -j, -k, -c, --bt- …) is the agent's own doing; what runs programs, writes elsewhere, trusts everybody or slows down is named and not done",
    ),
    entry(
        Aria2,
        ("tpm_attestation", ""),
        "tpm_attestation=1",
        NotUnderstood,
        "refused: a machine that is told to attest does not boot without",
    ),
    entry(Others, ("rd.ntp", ""), "rd.ntp=10.0.0.1", Same, CLOCK),
    entry(Others, ("ntp", ""), "ntp=10.0.0.1", Same, CLOCK),
    entry(Others, ("ntpserver", ""), "ntpserver=10.0.0.1", Same, CLOCK),
];

impl Entry {
    /// Whether it is about this parameter. A key that ends in a dot stands for all that begin so.
    pub fn is_about(&self, parameter: &cmdline::Parameter) -> bool {
        let key = match self.key.strip_suffix('.') {
            Some(prefix) => parameter.key.replace('-', "_").starts_with(&format!("{prefix}.")),
            None => parameter.is(self.key),
        };
        key && parameter.value.as_deref().unwrap_or_default().starts_with(self.value)
    }
}

/// The entry about a parameter, the most exact one of several.
pub fn find(parameter: &cmdline::Parameter) -> Option<&'static Entry> {
    entries()
        .filter(|entry| entry.is_about(parameter))
        .max_by_key(|entry| entry.key.len() + entry.value.len())
}

/// A warning for the console, when a set-up may count on a parameter that has no effect. What the readers of
/// the network and of aria2-initrd's names say themselves is left to them.
pub fn warning(line: &cmdline::CommandLine, parameter: &cmdline::Parameter) -> Option<String> {
    let entry = find(parameter)?;
    let told_elsewhere = entry.system == Aria2 || entry.key == "ip";
    (entry.verdict == NotUnderstood && !told_elsewhere && entry.system.counts_on(line))
        .then(|| format!("{parameter} has no effect: {}", entry.text))
}

/// The table of docs/cmdline.md.
pub fn table() -> String {
    let mut text = String::from("| of | parameter | here | |\n|---|---|---|---|\n");
    for entry in entries() {
        let Entry { system, example, verdict, text: why, .. } = entry;
        text += &format!("| {} | `{}` | {verdict} | {why} |\n", system.name(), example.replace('|', "\\|"));
    }
    text
}
