//! Reading the line.

use std::net::IpAddr;

use bootwright_image::cmdline::CommandLine;

use super::{Bond, Plan, Remark, Route, Vlan, bootif, fields, ip_argument};

/// The field of the kernel's `ip=` that names a time server.
const NTP: usize = 9;

/// More interfaces than that are a mistake, or an attack on the time that a machine takes to boot.
const MAX_MADE: usize = 64;

impl Plan {
    /// Reads the line. What cannot be used is a warning: a machine with a slip in one parameter may
    /// still boot.
    pub fn read(line: &CommandLine) -> Self {
        let mut plan = Self::default();
        let without_bootif = line.get("rd.bootif") == Some("0");
        for parameter in &line.parameters {
            let value = parameter.value.as_deref().unwrap_or_default();
            if let Some(outcome) = plan.take(&parameter.key.replace('-', "_"), value) {
                plan.remarks.push(Remark { parameter: parameter.to_string(), outcome });
            }
        }
        if without_bootif {
            plan.bootif = None;
        }
        plan
    }

    fn take(&mut self, key: &str, value: &str) -> Option<Result<String, String>> {
        Some(match key {
            "ip" => self.take_ip(value),
            "BOOTIF" => bootif::parse(value).ok_or_else(|| "not an Ethernet address".to_owned()).map(|mac| {
                self.bootif = Some(mac);
                format!("only the interface with address {mac}, and those that ip= names")
            }),
            "rd.bootif" => {
                Ok(if value == "0" { "BOOTIF= does not count" } else { "BOOTIF= counts" }.to_owned())
            }
            "bootdev" => fields::interface(value).map(|name| {
                let text = format!("{name} leads to the image");
                self.boot_device = Some(name);
                text
            }),
            "ifname" => self.take_name(value),
            "nameserver" => fields::address(value, "address").map(|address| {
                self.nameservers.push(address);
                format!("{address} is asked for names before all others")
            }),
            "rd.peerdns" => {
                self.own_names_only = matches!(value, "0" | "no" | "off");
                Ok(match self.own_names_only {
                    true => "name servers of DHCP and routers do not count".to_owned(),
                    false => "name servers of DHCP and routers count".to_owned(),
                })
            }
            "rd.route" => self.take_route(value),
            "vlan" => self.room().and_then(|()| Vlan::parse(value)).map(|vlan| {
                let text = vlan.describe();
                self.vlans.push(vlan);
                text
            }),
            "bond" => self.room().and_then(|()| Bond::parse(value)).map(|bond| {
                let text = bond.describe();
                self.bonds.push(bond);
                text
            }),
            key => return self.limits.take(key, value),
        })
    }

    fn take_ip(&mut self, value: &str) -> Result<String, String> {
        if value == "ibft" {
            self.wants_ibft = true;
            return Ok("as the firmware's table of iSCSI says".to_owned());
        }
        let argument = ip_argument::parse(value)?;
        let text = argument.describe();
        self.arguments.push(argument);
        // The field is the kernel's alone, whose addresses have no brackets.
        match value.split(':').nth(NTP).and_then(|server| server.parse().ok()) {
            Some(server @ IpAddr::V4(_)) => {
                self.time_servers.push(server);
                Ok(format!("{text}, time server {server}"))
            }
            _ => Ok(text),
        }
    }

    fn take_name(&mut self, value: &str) -> Result<String, String> {
        let (name, mac) = value.split_once(':').ok_or("write ifname=NAME:ADDRESS")?;
        let name = fields::interface(name)?;
        let mac = fields::mac(mac)?.ok_or("write ifname=NAME:ADDRESS")?;
        let text = format!("the interface with address {mac} is called {name}, too");
        self.names.push((name, mac));
        Ok(text)
    }

    /// `10.1.0.0/16:10.0.0.1[:eth0]`, `[fd00::/64]:[fd01::1]`, `10.1.0.0/16::eth0`.
    fn take_route(&mut self, value: &str) -> Result<String, String> {
        let parts = fields::split(value);
        let field = |at: usize| parts.get(at).copied().unwrap_or_default();
        let (destination, prefix) = fields::network(field(0))?;
        let gateway = match field(1) {
            "" => None,
            text => Some(fields::address(text, "gateway")?),
        };
        let interface = match field(2) {
            "" => None,
            name => Some(fields::interface(name)?),
        };
        if gateway.is_none() && interface.is_none() {
            return Err("write NET/PREFIX:GATEWAY[:INTERFACE]".to_owned());
        }
        if gateway.is_some_and(|gateway| gateway.is_ipv4() != destination.is_ipv4()) {
            return Err("network and gateway are of two kinds, IPv4 and IPv6".to_owned());
        }
        self.routes.push((interface, Route { destination, prefix, gateway }));
        Ok(format!("a route to {destination}/{prefix}"))
    }

    fn room(&self) -> Result<(), String> {
        match self.made().count() {
            MAX_MADE.. => Err(format!("more than {MAX_MADE} interfaces are not made")),
            _ => Ok(()),
        }
    }
}
