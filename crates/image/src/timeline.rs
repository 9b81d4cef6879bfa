//! The story of one machine's boot, from its first DHCP packet to its login prompt.
//!
//! The server writes down what it sees on the wire, the agent reports what happens on the machine
//! (`POST /v1/report`), and both are events of the same shape.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Where in the boot an event belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// DHCP and proxyDHCP packets of firmware, iPXE or agent.
    Dhcp,
    /// A file sent by TFTP.
    Tftp,
    /// A file or range sent by HTTP.
    Http,
    /// The agent runs: kernel and initrd are up.
    Agent,
    /// The agent loads drivers.
    Devices,
    /// The agent has an address.
    Network,
    /// The agent fetches and verifies.
    Fetch,
    /// The agent mounts the root and hands over (switch_root or kexec).
    Boot,
    /// The system of the root is up: its login prompt is there.
    System,
    /// The boot failed.
    Failure,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since 1970 by the server's clock: the server sets it on arrival when a machine
    /// reports, since a machine's own clock may be wrong.
    #[serde(default)]
    pub at: u64,
    /// Seconds since the machine's kernel started, for events that the agent reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime: Option<f64>,
    /// Where in the boot.
    pub stage: Stage,
    /// One line for an operator: `offered 10.0.0.50, image worker by HTTP Boot`.
    pub text: String,
    /// Bytes that this event moved, where it moved any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Why the boot failed, in parts that programs read: with [`Stage::Failure`], when the machine could say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Box<Failed>>,
}

/// Why a boot failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The step that failed.
    pub step: Step,
    /// What happened, in a sentence.
    pub cause: String,
    /// Everything that was tried, and what became of it.
    #[serde(default)]
    pub tried: Vec<Tried>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// What it is.
    pub what: What,
    /// Its name, and what became of it.
    pub text: String,
}

impl From<String> for Tried {
    fn from(text: String) -> Self {
        Self { what: What::Other, text }
    }
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A network interface.
    Interface,
    /// A server, mirror or peer.
    Source,
    /// A disk, stick or CD.
    Medium,
    /// Anything else: drivers, modules.
    Other,
}

/// The step of a boot that failed, in the order of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Before the network: command line, pin, drivers.
    Start,
    /// No interface works.
    Network,
    /// Nobody says which image.
    Address,
    /// A name does not resolve.
    Name,
    /// No connection to a server.
    Connect,
    /// The server's certificate, or the handshake.
    Tls,
    /// The server answers with an error.
    Http,
    /// The download does not come to its end.
    Fetch,
    /// The bytes are not the right ones.
    Verify,
    /// There is no room for them.
    Memory,
    /// The root does not mount, or has no init.
    Root,
    /// The next kernel does not load.
    Kexec,
}

impl Step {
    /// For an operator: `the answer of the server`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "the start of the agent",
            Self::Network => "the network",
            Self::Address => "the image's address",
            Self::Name => "the name of the server",
            Self::Connect => "the connection to the server",
            Self::Tls => "TLS with the server",
            Self::Http => "the answer of the server",
            Self::Fetch => "the download",
            Self::Verify => "the verification",
            Self::Memory => "the memory",
            Self::Root => "the root file system",
            Self::Kexec => "the next kernel",
        }
    }

    /// What an operator looks at first.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Start => "look at the command line with `bootwright explain cmdline`",
            Self::Network => "cable, switch port, VLAN, DHCP server; ip= fixes an address",
            Self::Address => "say bootwright.image=URL, or run bootwright serve in this network",
            Self::Name => "name servers and the name in the URL; nameserver= adds one, an address needs none",
            Self::Connect => "is the server up, and does its firewall let this machine through?",
            Self::Tls => {
                "the machine's clock, the certificate's names and dates, its authority in the initrd"
            }
            Self::Http => "is the file on the server under that name?",
            Self::Fetch => "is the server overloaded, or the line broken?",
            Self::Verify => {
                "server and initrd have different builds, or the file is damaged: deploy both anew"
            }
            Self::Memory => "more memory, a smaller root, or bootwright.overlay=",
            Self::Root => "build the image again, and boot it with `bootwright vm`",
            Self::Kexec => "Secure Boot, the kernel's machine, its size",
        }
    }
}

/// How a machine is known: what it tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MachineId {
    /// Ethernet address, `52:54:00:12:34:56`, lower case.
    pub mac: String,
    /// SMBIOS system UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// SMBIOS system serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

/// How far a machine is with its root, in bytes, and who sent what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Of the file; 0 while nobody has said.
    pub total: u64,
    /// Verified and in their place.
    pub stored: u64,
    /// Part of `stored`: from mirrors.
    #[serde(default)]
    pub mirrors: u64,
    /// Part of `stored`: from other machines.
    #[serde(default)]
    pub peers: u64,
    /// Sent to other machines.
    #[serde(default)]
    pub given: u64,
    /// Connected machines.
    #[serde(default)]
    pub connected: u32,
    /// Chunks that came damaged, by who sent them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u32>,
}

/// What an agent posts to `/v1/report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Who reports.
    pub machine: MachineId,
    /// The image it boots, when it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What happened since the last report, oldest first.
    pub events: Vec<Event>,
    /// How far it is, when it fetches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// A machine as the server's `/v1/machines` tells of it: a JSON list of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// How it is known.
    #[serde(flatten)]
    pub id: MachineId,
    /// Its last known address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The program that asked first: `UEFI x64 HTTP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The image it boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How many of its boots the server has seen.
    pub boots: u32,
    /// How far it is with its root, as it says, or was when it last said so in this boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The latest boot, oldest event first.
    pub events: Vec<Event>,
}
