//! Interfaces that are made out of others: bonds through sysfs, as the kernel's bonding.rst has it, since it takes
//! every option by its name; VLANs through rtnetlink.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_to_string, write};
use std::io;
use std::path::Path;

use bootwright_netboot::Mac;
use bootwright_plan::network::{Bond, Candidate, Plan, Vlan};
use tracing::{info, warn};

use super::Made;
use super::links::{Link, Links};
use crate::devices::Devices;
use crate::failure::chain;

const NET: &str = "/sys/class/net";
const MASTERS: &str = "/sys/class/net/bonding_masters";

/// What has been made by now.
#[derive(Default)]
pub struct Layers {
    made: BTreeSet<String>,
    /// VLANs, and the links below them.
    tagged: BTreeMap<String, (String, Mac)>,
    /// Bond and member, with its own address.
    joined: BTreeMap<(String, String), Mac>,
    problems: BTreeSet<String>,
}

impl Layers {
    /// Makes what can be made out of the links that are there.
    pub async fn grow(&mut self, links: &Links, plan: &Plan, devices: &Devices) {
        for link in links.list() {
            let candidate = super::candidate(&link);
            for bond in &plan.bonds {
                let member = bond.members.iter().any(|name| plan.is_called(&candidate, name));
                if member && !self.joined.contains_key(&(bond.name.clone(), link.name.clone())) {
                    let joined = self.join(links, bond, &link, devices).await;
                    self.note(joined);
                }
            }
            for vlan in plan.vlans.iter().filter(|vlan| plan.is_called(&candidate, &vlan.parent)) {
                if self.is_whole(&candidate, plan) && self.made.insert(vlan.name.clone()) {
                    let mac = current_mac(&link.name).unwrap_or(link.mac);
                    self.tagged.insert(vlan.name.clone(), (link.name.clone(), mac));
                    let made = self.tag(links, vlan, &link, devices).await;
                    self.note(made);
                }
            }
        }
    }

    /// Whether a link is ready to be used: a bond has its address from its first member.
    pub fn is_whole(&self, candidate: &Candidate, plan: &Plan) -> bool {
        let is_bond = plan.bonds.iter().any(|bond| candidate.names.contains(&bond.name));
        let has_member = self.joined.keys().any(|(bond, _)| candidate.names.contains(bond));
        !is_bond || has_member
    }

    /// What the link of that name is made of.
    pub fn what_is(&self, name: &str, plan: &Plan) -> Made {
        let vlan = plan.vlans.iter().find(|vlan| vlan.name == name);
        if let (Some(vlan), Some((parent, mac))) = (vlan, self.tagged.get(name)) {
            // A VLAN on itself has never been made.
            let below = if parent == name { Made::Card } else { self.what_is(parent, plan) };
            let (vlan, parent, parent_mac) = (vlan.clone(), parent.clone(), *mac);
            return Made::Vlan { vlan, parent, parent_mac, below: Box::new(below) };
        }
        let Some(bond) = plan.bonds.iter().find(|bond| bond.name == name) else { return Made::Card };
        let members = self.joined.iter().filter(|((bond, _), _)| bond == name);
        let members = members.map(|((_, member), mac)| (member.clone(), *mac)).collect();
        Made::Bond { bond: bond.clone(), members }
    }

    /// What went wrong, for a failure.
    pub fn evidence(&self, plan: &Plan) -> Vec<String> {
        let mut lines: Vec<String> = self.problems.iter().cloned().collect();
        let bonds = plan.bonds.iter().filter(|bond| !self.joined.keys().any(|(name, _)| *name == bond.name));
        lines
            .extend(bonds.map(|bond| format!("{}: there is none of {}", bond.name, bond.members.join(", "))));
        let vlans = plan.vlans.iter().filter(|vlan| !self.made.contains(&vlan.name));
        lines.extend(vlans.map(|vlan| format!("{}: there is no {}", vlan.name, vlan.parent)));
        lines
    }

    fn note(&mut self, result: Result<String, String>) {
        match result {
            Ok(text) => info!("{text}"),
            Err(problem) => {
                warn!("{problem}");
                self.problems.insert(problem);
            }
        }
    }

    async fn join(
        &mut self,
        links: &Links,
        bond: &Bond,
        link: &Link,
        devices: &Devices,
    ) -> Result<String, String> {
        let Bond { name, options, .. } = bond;
        // Once, whatever comes of it.
        let own = permanent_mac(&link.name).unwrap_or(link.mac);
        self.joined.insert((name.clone(), link.name.clone()), own);
        // A boot before this one, in the same kernel, has left it so.
        if Path::new(NET).join(&link.name).join("master").exists() {
            return Ok(format!("{name}: {} is in it already", link.name));
        }
        let failed = |doing: &str, error: io::Error| format!("{name}: {doing}: {error}");
        if self.made.insert(name.clone()) {
            devices.require("bonding").map_err(|error| format!("{name}: {}", chain(&error)))?;
            if !Path::new(NET).join(name).exists() {
                write(MASTERS, format!("+{name}")).map_err(|error| failed("making the bond", error))?;
            }
            for (option, value) in options {
                let file = format!("{NET}/{name}/bonding/{option}");
                let values: Vec<&str> =
                    if option == "arp_ip_target" { value.split(',').collect() } else { vec![value] };
                for value in values {
                    let sign = if option == "arp_ip_target" { "+" } else { "" };
                    let set = write(&file, format!("{sign}{value}"));
                    set.map_err(|error| failed(&format!("setting {option}={value}"), error))?;
                }
            }
        }
        links.down(link.index).await.map_err(|error| format!("{}: {}", link.name, chain(&error)))?;
        let members = format!("{NET}/{name}/bonding/slaves");
        write(members, format!("+{}", link.name))
            .map_err(|error| failed(&format!("taking {}", link.name), error))?;
        Ok(format!("{name}: {} ({}) is in it", link.name, link.mac))
    }

    async fn tag(
        &self,
        links: &Links,
        vlan: &Vlan,
        parent: &Link,
        devices: &Devices,
    ) -> Result<String, String> {
        let failed = |error: &dyn std::error::Error| format!("{}: {}", vlan.name, chain(error));
        devices.require("8021q").map_err(|error| failed(&error))?;
        links.up(parent.index).await.map_err(|error| failed(&error))?;
        if !Path::new(NET).join(&vlan.name).exists() {
            links.add_vlan(vlan, parent.index).await.map_err(|error| failed(&error))?;
        }
        Ok(format!("{}: made of the frames of {} with tag {}", vlan.name, parent.name, vlan.id))
    }
}

/// The own address of a link that is in a bond.
fn permanent_mac(name: &str) -> Option<Mac> {
    let file = Path::new(NET).join(name).join("bonding_slave/perm_hwaddr");
    read_to_string(file).ok()?.trim().parse().ok()
}

/// The MTU of a link as it is now.
pub fn current_mtu(name: &str) -> Option<u32> {
    read_to_string(Path::new(NET).join(name).join("mtu")).ok()?.trim().parse().ok()
}

/// The address of a link as it is now: a bond takes that of its first member.
pub fn current_mac(name: &str) -> Option<Mac> {
    read_to_string(Path::new(NET).join(name).join("address")).ok()?.trim().parse().ok()
}
