//! `/run/net-INTERFACE.conf` and `/run/net6-INTERFACE.conf`: what klibc's ipconfig leaves in Debian's initramfs,
//! as variables of a shell. live-boot, cloud-init and hooks of ifupdown read it.

use std::net::{IpAddr, Ipv4Addr};

use bootwright_plan::network::Upkeep;

use super::File;
use crate::network::Network;

/// The file of each kind of addresses that the network has.
pub fn files(network: &Network) -> Vec<File> {
    [v4(network), v6(network)].into_iter().flatten().collect()
}

fn v4(network: &Network) -> Option<File> {
    let Network { link, configuration, upkeep, .. } = network;
    let (address, prefix) = configuration.addresses.iter().find_map(|own| match own.address {
        IpAddr::V4(address) => Some((address, own.prefix)),
        IpAddr::V6(_) => None,
    })?;
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    let gateway = configuration.routes.iter().find(|route| route.prefix == 0 && route.destination.is_ipv4());
    let gateway = gateway.and_then(|route| route.gateway);
    let mut text = Variables::default();
    text.put("DEVICE", &link.name);
    text.put("PROTO", if *upkeep == Upkeep::Static { "none" } else { "dhcp" });
    text.put("IPV4ADDR", &address.to_string());
    text.put("IPV4BROADCAST", &Ipv4Addr::from_bits(address.to_bits() | !mask).to_string());
    text.put("IPV4NETMASK", &Ipv4Addr::from_bits(mask).to_string());
    text.put("IPV4GATEWAY", &gateway.map(|gateway| gateway.to_string()).unwrap_or_default());
    let servers = configuration.dns.iter().filter(|server| server.is_ipv4());
    for (at, server) in servers.take(2).enumerate() {
        text.put(&format!("IPV4DNS{at}"), &server.to_string());
    }
    text.put("DNSDOMAIN", configuration.search.first().map(String::as_str).unwrap_or_default());
    text.put("DOMAINSEARCH", &configuration.search.join(" "));
    Some(File::new("/run", &format!("net-{}.conf", link.name), text.0))
}

fn v6(network: &Network) -> Option<File> {
    let Network { link, configuration, upkeep, .. } = network;
    let own = configuration.addresses.iter().find(|own| own.address.is_ipv6())?;
    let gateway = configuration.routes.iter().find(|route| route.prefix == 0 && route.destination.is_ipv6());
    let gateway = gateway.and_then(|route| route.gateway);
    let mut text = Variables::default();
    text.put("DEVICE6", &link.name);
    text.put("IPV6PROTO", if *upkeep == Upkeep::Static { "none" } else { "dhcp6" });
    text.put("IPV6ADDR", &own.address.to_string());
    text.put("IPV6NETMASK", &own.prefix.to_string());
    text.put("IPV6GATEWAY", &gateway.map(|gateway| gateway.to_string()).unwrap_or_default());
    let servers = configuration.dns.iter().filter(|server| server.is_ipv6());
    for (at, server) in servers.take(2).enumerate() {
        text.put(&format!("IPV6DNS{at}"), &server.to_string());
    }
    text.put("IPV6DOMAINSEARCH", &configuration.search.join(" "));
    Some(File::new("/run", &format!("net6-{}.conf", link.name), text.0))
}

#[derive(Default)]
struct Variables(String);

impl Variables {
    /// In quotes: what comes from a server must not become a command.
    fn put(&mut self, name: &str, value: &str) {
        self.0 += &format!("{name}='{}'\n", value.replace('\'', "'\\''").replace(['\n', '\r'], " "));
    }
}
