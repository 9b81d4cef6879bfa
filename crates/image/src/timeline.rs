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
