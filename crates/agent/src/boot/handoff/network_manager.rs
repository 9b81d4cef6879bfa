//! nm-settings-keyfile(5): NetworkManager has a connection that fits what it finds, and leaves it as it is.

use std::net::IpAddr;

use bootwright_netboot::Mac;
use bootwright_plan::network::{Address, Configuration, Route, Upkeep};

use super::{File, networkd};
use crate::network::{Made, Network};

const DIRECTORY: &str = "/run/NetworkManager/system-connections";

/// The files for `network`; NetworkManager reads none that others may read.
pub fn files(network: &Network) -> Vec<File> {
    let Network { link, configuration, upkeep, made, .. } = network;
    let addresses = addresses(configuration, *upkeep);
    layer(&link.name, link.mac, made, &Own { mtu: configuration.mtu, addresses })
}

/// What is said of the interface itself.
struct Own {
    mtu: Option<u32>,
    addresses: String,
}

impl Own {
    /// An interface below another one has no address.
    fn none() -> Self {
        Self { mtu: None, addresses: "\n[ipv4]\nmethod=disabled\n\n[ipv6]\nmethod=disabled\n".to_owned() }
    }
}

fn layer(name: &str, mac: Mac, made: &Made, own: &Own) -> Vec<File> {
    let mtu = own.mtu.map_or(String::new(), |mtu| format!("mtu={mtu}\n"));
    let Own { addresses, .. } = own;
    match made {
        Made::Card => {
            let text = format!("type=ethernet\n\n[ethernet]\nmac-address={mac}\n{mtu}{addresses}");
            vec![file(name, &text)]
        }
        Made::Vlan { vlan, parent, parent_mac, below } => {
            let text = format!(
                "type=vlan\ninterface-name={name}\n\n[ethernet]\n{mtu}\n[vlan]\nid={}\nparent={parent}\n{addresses}",
                vlan.id
            );
            let mut files = vec![file(name, &text)];
            files.extend(layer(parent, *parent_mac, below, &Own::none()));
            files
        }
        Made::Bond { bond, members } => {
            let option = |(key, value): &(String, String)| {
                let value = if key == "mode" { networkd::mode(value) } else { value };
                format!("{key}={value}\n")
            };
            let options: String = bond.options.iter().map(option).collect();
            let text = format!(
                "type=bond\ninterface-name={name}\n\n[ethernet]\n{mtu}\n[bond]\n{options}{addresses}"
            );
            let mut files = vec![file(name, &text)];
            for (member, mac) in members {
                let text = format!(
                    "type=ethernet\nmaster={name}\nslave-type=bond\n\n[ethernet]\nmac-address={mac}\n"
                );
                files.push(file(member, &text));
            }
            files
        }
    }
}

fn file(name: &str, rest: &str) -> File {
    let text = format!("[connection]\nid=bootwright-{name}\n{rest}");
    File::new(DIRECTORY, &format!("bootwright-{name}.nmconnection"), text).private()
}

fn addresses(configuration: &Configuration, upkeep: Upkeep) -> String {
    let method = match upkeep {
        Upkeep::Dhcp4 => ("method=auto\ndhcp-client-id=mac\n", "method=auto\n"),
        Upkeep::Dhcp6 => ("method=disabled\n", "method=auto\ndhcp-duid=ll\n"),
        Upkeep::Auto6 => ("method=disabled\n", "method=auto\n"),
        Upkeep::Static => {
            return format!("\n[ipv4]\n{}\n[ipv6]\n{}", fixed(configuration, 4), fixed(configuration, 6));
        }
    };
    format!("\n[ipv4]\n{}\n[ipv6]\n{}", method.0, method.1)
}

/// What is fixed of one kind of addresses, IPv4 or IPv6.
fn fixed(configuration: &Configuration, version: u8) -> String {
    let kind = |address: &IpAddr| address.is_ipv4() == (version == 4);
    let own: Vec<&Address> = configuration.addresses.iter().filter(|own| kind(&own.address)).collect();
    let method = match (own.is_empty(), version) {
        (true, 4) => return "method=disabled\n".to_owned(),
        // Its kind has no address of its own, and may have one by a router; name servers it has all the same.
        (true, _) => "auto",
        (false, _) => "manual",
    };
    let mut text = format!("method={method}\n");
    for (at, address) in own.iter().enumerate() {
        text += &format!("address{}={address}\n", at + 1);
    }
    let routes = configuration.routes.iter().filter(|route| kind(&route.destination));
    let (default, others): (Vec<&Route>, Vec<&Route>) = routes.partition(|route| route.prefix == 0);
    if let Some(gateway) = default.iter().find_map(|route| route.gateway) {
        text += &format!("gateway={gateway}\n");
    }
    for (at, route) in others.iter().enumerate() {
        let gateway = route.gateway.map_or(String::new(), |gateway| format!(",{gateway}"));
        text += &format!("route{}={}/{}{gateway}\n", at + 1, route.destination, route.prefix);
    }
    let servers: Vec<_> =
        configuration.dns.iter().filter(|server| kind(server)).map(ToString::to_string).collect();
    if !servers.is_empty() {
        text += &format!("dns={};\n", servers.join(";"));
    }
    if !configuration.search.is_empty() {
        text += &format!("dns-search={};\n", configuration.search.join(";"));
    }
    text
}
