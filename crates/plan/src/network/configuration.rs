//! What an interface is configured with, wherever it came from, and the files that say so.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use bootwright_netboot::Mac;

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Network address.
    pub destination: Ipv4Addr,
    /// Its prefix length, at most 32.
    pub prefix: u8,
    /// Through whom; `None`: the destination is on the link.
    pub gateway: Option<Ipv4Addr>,
}

impl Route {
    /// The default route.
    pub fn default_via(gateway: Ipv4Addr) -> Self {
        Self { destination: Ipv4Addr::UNSPECIFIED, prefix: 0, gateway: Some(gateway) }
    }
}

/// The configuration of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Its address.
    pub address: Ipv4Addr,
    /// Prefix length of its network, at most 32.
    pub prefix: u8,
    /// Beside that of its own network.
    pub routes: Vec<Route>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Domains that names are looked up in.
    pub search: Vec<String>,
    /// Bytes.
    pub mtu: Option<u32>,
}

/// How the running system shall keep it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// Ask by DHCP, as the agent did.
    Dhcp,
    /// As it is.
    Static,
}

impl Configuration {
    /// `address 10.0.0.2/24, gateway 10.0.0.1`, for the operator.
    pub fn describe(&self) -> String {
        let mut text = format!("address {}/{}", self.address, self.prefix);
        // Writing into a String does not fail.
        let _ = match self.routes.iter().find_map(|route| route.gateway) {
            Some(gateway) => write!(text, ", gateway {gateway}"),
            None => write!(text, ", no gateway"),
        };
        self.dns.iter().for_each(|server| text.push_str(&format!(", name server {server}")));
        self.mtu.iter().for_each(|mtu| text.push_str(&format!(", MTU {mtu}")));
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

    /// systemd.network(5) for the system, so that it keeps what the machine was booted with. The client
    /// identifier is the agent's, or the DHCP server would take the system for another machine.
    pub fn networkd_file(&self, mac: Mac, upkeep: Upkeep) -> String {
        let mut text = format!(
            "# How the machine was booted over the network; /etc/systemd/network may say otherwise.\n\
             [Match]\nMACAddress={mac}\n"
        );
        if let Some(mtu) = self.mtu {
            let _ = write!(text, "\n[Link]\nMTUBytes={mtu}\n");
        }
        text.push_str("\n[Network]\nKeepConfiguration=yes\n");
        match upkeep {
            Upkeep::Dhcp => text.push_str("DHCP=ipv4\n\n[DHCPv4]\nClientIdentifier=mac\n"),
            Upkeep::Static => {
                let _ = writeln!(text, "Address={}/{}", self.address, self.prefix);
                self.dns.iter().for_each(|server| text.push_str(&format!("DNS={server}\n")));
                if !self.search.is_empty() {
                    let _ = writeln!(text, "Domains={}", self.search.join(" "));
                }
                for route in &self.routes {
                    let _ = write!(text, "\n[Route]\nDestination={}/{}\n", route.destination, route.prefix);
                    if let Some(gateway) = route.gateway {
                        let _ = write!(text, "Gateway={gateway}\nGatewayOnLink=yes\n");
                    }
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Configuration {
        Configuration {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix: 24,
            routes: vec![Route::default_via(Ipv4Addr::new(10, 0, 2, 2))],
            dns: vec![Ipv4Addr::new(10, 0, 2, 3)],
            search: vec!["lab.example".into()],
            mtu: Some(1400),
        }
    }

    #[test]
    fn resolv_conf_names_servers_and_domains() {
        let text = sample().resolv_conf();
        assert_eq!(text.as_deref(), Some("search lab.example\nnameserver 10.0.2.3\n"));
        assert_eq!(Configuration { dns: vec![], ..sample() }.resolv_conf(), None);
    }

    #[test]
    fn the_system_keeps_a_lease_with_the_same_identifier() {
        let text = sample().networkd_file(Mac([0x52, 0x54, 0, 1, 2, 3]), Upkeep::Dhcp);
        for line in [
            "MACAddress=52:54:00:01:02:03",
            "MTUBytes=1400",
            "DHCP=ipv4",
            "ClientIdentifier=mac",
            "KeepConfiguration=yes",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
        assert!(!text.contains("Address=10.0.2.15"));
    }

    #[test]
    fn the_system_keeps_a_static_address_with_its_routes() {
        let text = sample().networkd_file(Mac([2; 6]), Upkeep::Static);
        for line in ["Address=10.0.2.15/24", "DNS=10.0.2.3", "Destination=0.0.0.0/0", "Gateway=10.0.2.2"] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
    }
}
