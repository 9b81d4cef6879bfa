//! systemd.network(5) and systemd.netdev(5): systemd-networkd keeps what the machine was booted with.
//!
//! A card is found by its address, since udev may rename it; what is made out of cards by its name. The client
//! identifiers are the agent's, or DHCP servers would take the system for another machine.

use std::fmt::Write as _;

use bootwright_netboot::Mac;
use bootwright_netboot::dhcp6::client::iaid;
use bootwright_plan::network::{Bond, Configuration, Upkeep, Vlan};

use super::File;
use crate::network::{Made, Network};

/// Before a distribution's fallback (80-…), after what an administrator wrote with a lower number.
const DIRECTORY: &str = "/run/systemd/network";

const HEAD: &str = "# How the machine was booted over the network; /etc/systemd/network may say otherwise.\n";

/// The kernel's options of a bond and networkd's words for them; what is in neither stays as the bond is, which
/// networkd takes over as it finds it.
const OPTIONS: &[(&str, &str)] = &[
    ("mode", "Mode"),
    ("miimon", "MIIMonitorSec"),
    ("updelay", "UpDelaySec"),
    ("downdelay", "DownDelaySec"),
    ("arp_interval", "ARPIntervalSec"),
    ("arp_ip_target", "ARPIPTargets"),
    ("xmit_hash_policy", "TransmitHashPolicy"),
    ("lacp_rate", "LACPTransmitRate"),
    ("fail_over_mac", "FailOverMACPolicy"),
    ("ad_select", "AdSelect"),
];

/// Modes that may be given by number.
const MODES: [&str; 7] =
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];

/// The files for `network`.
pub fn files(network: &Network) -> Vec<File> {
    let Network { link, configuration, upkeep, made, .. } = network;
    let section = network_section(link.mac, configuration, *upkeep);
    let link_section = match configuration.mtu {
        Some(mtu) => format!("\n[Link]\nMTUBytes={mtu}\n"),
        None => String::new(),
    };
    let own = format!("{link_section}{section}");
    layer(&link.name, link.mac, made, &own)
}

/// The files of an interface and of those below it.
fn layer(name: &str, mac: Mac, made: &Made, own: &str) -> Vec<File> {
    let is_called = format!("Name={name}");
    match made {
        Made::Card => vec![network_file(name, &format!("MACAddress={mac}\nType=ether"), own)],
        Made::Vlan { vlan, parent, parent_mac, below } => {
            let on = format!("\n[Network]\nVLAN={name}\nLinkLocalAddressing=no\n");
            let mut files = vec![vlan_device(vlan), network_file(name, &is_called, own)];
            files.extend(layer(parent, *parent_mac, below, &on));
            files
        }
        Made::Bond { bond, members } => {
            let mut files = vec![bond_device(bond), network_file(name, &is_called, own)];
            for (member, mac) in members {
                // Its address is that of the bond by now.
                let matching = format!("PermanentMACAddress={mac}\nType=ether");
                files.push(network_file(member, &matching, &format!("\n[Network]\nBond={name}\n")));
            }
            files
        }
    }
}

fn network_file(name: &str, matching: &str, rest: &str) -> File {
    File::new(
        DIRECTORY,
        &format!("70-bootwright-{name}.network"),
        format!("{HEAD}[Match]\n{matching}\n{rest}"),
    )
}

fn vlan_device(Vlan { name, id, .. }: &Vlan) -> File {
    let text = format!("{HEAD}[NetDev]\nName={name}\nKind=vlan\n\n[VLAN]\nId={id}\n");
    File::new(DIRECTORY, &format!("70-bootwright-{name}.netdev"), text)
}

fn bond_device(Bond { name, options, .. }: &Bond) -> File {
    let mut text = format!("{HEAD}[NetDev]\nName={name}\nKind=bond\n\n[Bond]\n");
    for (key, value) in options {
        let Some((_, word)) = OPTIONS.iter().find(|(option, _)| option == key) else { continue };
        let value = match key.as_str() {
            "mode" => mode(value).to_owned(),
            "miimon" | "updelay" | "downdelay" | "arp_interval" => format!("{value}ms"),
            "arp_ip_target" => value.replace(',', " "),
            _ => value.clone(),
        };
        // Writing into a String does not fail.
        let _ = writeln!(text, "{word}={value}");
    }
    File::new(DIRECTORY, &format!("70-bootwright-{name}.netdev"), text)
}

/// The name of a bond's mode.
pub fn mode(value: &str) -> &str {
    value.parse().ok().and_then(|number: usize| MODES.get(number)).copied().unwrap_or(value)
}

fn network_section(mac: Mac, configuration: &Configuration, upkeep: Upkeep) -> String {
    let mut text = String::from("\n[Network]\nKeepConfiguration=yes\n");
    match upkeep {
        Upkeep::Dhcp4 => text.push_str("DHCP=ipv4\n\n[DHCPv4]\nClientIdentifier=mac\n"),
        Upkeep::Dhcp6 => {
            let iaid = iaid(mac);
            text.push_str("DHCP=ipv6\nIPv6AcceptRA=yes\n");
            text += &format!("\n[DHCPv6]\nDUIDType=link-layer\nIAID={iaid}\nWithoutRA=solicit\n");
        }
        Upkeep::Auto6 => text.push_str("IPv6AcceptRA=yes\n"),
        Upkeep::Static => {
            for address in &configuration.addresses {
                text += &format!("Address={address}\n");
            }
            configuration.dns.iter().for_each(|server| text += &format!("DNS={server}\n"));
            configuration.ntp.iter().for_each(|server| text += &format!("NTP={server}\n"));
            if !configuration.search.is_empty() {
                text += &format!("Domains={}\n", configuration.search.join(" "));
            }
        }
    }
    // A lease has its own; those of the line are beside it.
    if upkeep == Upkeep::Static {
        for route in &configuration.routes {
            text += &format!("\n[Route]\nDestination={}/{}\n", route.destination, route.prefix);
            if let Some(gateway) = route.gateway {
                text += &format!("Gateway={gateway}\nGatewayOnLink=yes\n");
            }
        }
    }
    text
}
