//! What an interface is configured with, wherever it came from.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address itself.
    pub address: IpAddr,
    /// Prefix length of its network, at most 32 or 128.
    pub prefix: u8,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Network address.
    pub destination: IpAddr,
    /// Its prefix length, at most 32 or 128.
    pub prefix: u8,
    /// Through whom; `None`: the destination is on the link.
    pub gateway: Option<IpAddr>,
}

impl Route {
    /// The default route.
    pub fn default_via(gateway: IpAddr) -> Self {
        let destination = match gateway {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { destination, prefix: 0, gateway: Some(gateway) }
    }
}

/// The configuration of one interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Its addresses; those that the kernel sets itself (SLAAC) are not among them.
    pub addresses: Vec<Address>,
    /// Beside those of its own networks.
    pub routes: Vec<Route>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Domains that names are looked up in.
    pub search: Vec<String>,
    /// Time servers.
    pub ntp: Vec<IpAddr>,
    /// Bytes.
    pub mtu: Option<u32>,
}

impl Configuration {
    /// `address 10.0.0.2/24, gateway 10.0.0.1`, for the operator.
    pub fn describe(&self) -> String {
        let mut text = String::from("address");
        // Writing into a String does not fail.
        for address in &self.addresses {
            let _ = write!(text, " {address}");
        }
        let _ = match self.routes.iter().find_map(|route| route.gateway) {
            Some(gateway) => write!(text, ", gateway {gateway}"),
            None => write!(text, ", no gateway"),
        };
        for server in &self.dns {
            let _ = write!(text, ", name server {server}");
        }
        text
    }

    /// resolv.conf(5); `None` without a name server.
    pub fn resolv_conf(&self) -> Option<String> {
        if self.dns.is_empty() {
            return None;
        }
        let mut text = String::new();
        if !self.search.is_empty() {
            // Writing into a String does not fail.
            let _ = writeln!(text, "search {}", self.search.join(" "));
        }
        for server in &self.dns {
            let _ = writeln!(text, "nameserver {server}");
        }
        Some(text)
    }
}

/// How the running system shall keep it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// Ask by DHCPv4, as the agent did.
    Dhcp4,
    /// Ask by DHCPv6, as the agent did.
    Dhcp6,
    /// Listen to routers: the kernel does so already.
    Auto6,
    /// As it is.
    Static,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_names_servers_and_domains() {
        let configuration = Configuration {
            dns: vec!["10.0.2.3".parse().unwrap(), "fd00::53".parse().unwrap()],
            search: vec!["lab.example".into()],
            ..Configuration::default()
        };
        let text = configuration.resolv_conf();
        assert_eq!(text.as_deref(), Some("search lab.example\nnameserver 10.0.2.3\nnameserver fd00::53\n"));
        assert_eq!(Configuration::default().resolv_conf(), None);
    }
}
