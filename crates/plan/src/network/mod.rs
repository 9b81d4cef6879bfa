//! What the command line says about the network: which interface, how, with which extras.
//!
//! `ip=` in the kernel's syntax (Documentation/admin-guide/nfs/nfsroot.rst) and dracut's
//! (dracut.cmdline(7)), see [`ip_argument`]; `BOOTIF=` in pxelinux's form (`01-52-54-…`) and as a
//! plain address; `nameserver=`; `rd.route=NET/PREFIX:GATEWAY`.

mod bootif;
mod configuration;
mod ip_argument;

use std::net::Ipv4Addr;

use bootwright_image::cmdline::CommandLine;
use bootwright_netboot::Mac;

pub use configuration::{Configuration, Route, Upkeep};
pub use ip_argument::IpArgument;

/// The field of the kernel's `ip=` that names a time server.
const NTP: usize = 9;

/// How an interface gets its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// By DHCPv4; the MTU is fixed when given.
    Dhcp {
        /// Bytes.
        mtu: Option<u32>,
    },
    /// As the command line says.
    Static(Configuration),
}

/// The network as the command line wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    arguments: Vec<IpArgument>,
    bootif: Option<Mac>,
    nameservers: Vec<Ipv4Addr>,
    routes: Vec<Route>,
    /// What was made of each parameter.
    pub remarks: Vec<Remark>,
}

/// What was made of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// As on the line.
    pub parameter: String,
    /// What it does, or why it does nothing.
    pub outcome: Result<String, String>,
}

impl Plan {
    /// Reads the line. What cannot be used is a warning: a machine with a slip in one parameter may
    /// still boot.
    pub fn read(line: &CommandLine) -> Self {
        let mut plan = Self::default();
        for parameter in &line.parameters {
            let value = parameter.value.as_deref().unwrap_or_default();
            if let Some(outcome) = plan.take(&parameter.key, value) {
                plan.remarks.push(Remark { parameter: parameter.to_string(), outcome });
            }
        }
        plan
    }

    /// What could not be used, for the console.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let wrong =
            |remark: &Remark| Some(format!("{}: {}", remark.parameter, remark.outcome.as_ref().err()?));
        self.remarks.iter().filter_map(wrong)
    }

    /// The arguments of `ip=`, in order.
    pub fn arguments(&self) -> &[IpArgument] {
        &self.arguments
    }

    fn take(&mut self, key: &str, value: &str) -> Option<Result<String, String>> {
        Some(match key {
            "ip" => ip_argument::parse(value).map(|argument| {
                let text = argument.describe();
                self.arguments.push(argument);
                match value.split(':').nth(NTP).filter(|server| !server.is_empty()) {
                    Some(server) => format!("{text}; the time server {server} is not asked"),
                    None => text,
                }
            }),
            "BOOTIF" => bootif::parse(value).ok_or("not an Ethernet address".to_owned()).map(|mac| {
                self.bootif = Some(mac);
                format!("only the interface with address {mac}, and those that ip= names")
            }),
            "nameserver" => value.parse().map_err(|_| "not an IPv4 address".to_owned()).map(|address| {
                self.nameservers.push(address);
                format!("{address} is asked for names before all others")
            }),
            "rd.route" => parse_route(value).ok_or("write NET/PREFIX:GATEWAY".to_owned()).map(|route| {
                self.routes.push(route);
                format!("a route to {}/{}, with a static address", route.destination, route.prefix)
            }),
            _ => return None,
        })
    }

    /// How the interface with these names (kernel name first) and address comes up; `None`: not at all.
    pub fn method(&self, names: &[String], mac: Mac) -> Option<Method> {
        let named =
            |argument: &&IpArgument| argument.interface.as_ref().is_some_and(|name| names.contains(name));
        let argument = match self.arguments.iter().find(named) {
            Some(argument) => Some(argument),
            None if self.bootif.is_some_and(|bootif| bootif != mac) => return None,
            None if self.arguments.is_empty() => None,
            None => Some(self.arguments.iter().find(|argument| argument.interface.is_none())?),
        };
        match argument {
            None => Some(Method::Dhcp { mtu: None }),
            Some(argument) => self.extend(argument.method.clone()?),
        }
    }

    /// A sentence on what is waited for, for the operator.
    pub fn wanted(&self) -> String {
        let names: Vec<_> =
            self.arguments.iter().filter_map(|argument| argument.interface.as_deref()).collect();
        match (self.bootif, names.is_empty()) {
            (_, false) => format!("interface {} (ip=)", names.join(" or ")),
            (Some(mac), true) => format!("the interface with address {mac} (BOOTIF=)"),
            (None, true) => "any wired interface".to_owned(),
        }
    }

    /// Whether the line says that there shall be no network.
    pub fn is_off(&self) -> bool {
        !self.arguments.is_empty() && self.arguments.iter().all(|argument| argument.method.is_none())
    }

    /// The name servers of the line come before all others.
    pub fn nameservers(&self) -> &[Ipv4Addr] {
        &self.nameservers
    }

    fn extend(&self, method: Method) -> Option<Method> {
        Some(match method {
            Method::Static(mut configuration) => {
                configuration.routes.extend(self.routes.iter().copied());
                Method::Static(configuration)
            }
            dhcp @ Method::Dhcp { .. } => dhcp,
        })
    }
}

/// `10.1.0.0/16:10.0.0.1`.
fn parse_route(text: &str) -> Option<Route> {
    let (network, gateway) = text.split_once(':')?;
    let (destination, prefix) = network.split_once('/')?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
    Some(Route { destination: destination.parse().ok()?, prefix, gateway: Some(gateway.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn plan(line: &str) -> Plan {
        Plan::read(&CommandLine::parse(line))
    }

    fn method(line: &str, name: &str, mac: Mac) -> Option<Method> {
        plan(line).method(&[name.to_owned()], mac)
    }

    #[test]
    fn without_a_word_every_interface_asks_by_dhcp() {
        assert_eq!(method("quiet", "eth0", MAC), Some(Method::Dhcp { mtu: None }));
    }

    #[test]
    fn an_interface_that_is_named_is_the_only_one() {
        assert_eq!(method("ip=eth1:dhcp:9000", "eth0", MAC), None);
        assert_eq!(method("ip=eth1:dhcp:9000", "eth1", MAC), Some(Method::Dhcp { mtu: Some(9000) }));
        assert_eq!(method("ip=eth1:off", "eth1", MAC), None);
    }

    #[test]
    fn bootif_in_both_forms_picks_the_interface_that_the_firmware_used() {
        for line in ["BOOTIF=01-52-54-00-12-34-56", "BOOTIF=52:54:00:12:34:56 ip=dhcp"] {
            assert!(method(line, "eth0", MAC).is_some(), "{line}");
            assert_eq!(method(line, "eth1", OTHER), None, "{line}");
        }
        assert!(method("BOOTIF=01-52-54-00-12-34-56 ip=eth1:dhcp", "eth1", OTHER).is_some());
    }

    #[test]
    fn a_static_address_takes_the_routes_of_the_line() {
        let found = method(
            "ip=10.0.0.2::10.0.0.1:255.255.255.0::eth0:none rd.route=10.9.0.0/16:10.0.0.9",
            "eth0",
            MAC,
        );
        let Some(Method::Static(configuration)) = found else { panic!("{found:?}") };
        assert_eq!(configuration.prefix, 24);
        assert_eq!(configuration.routes.len(), 2);
        assert_eq!(configuration.routes[1].gateway, Some(Ipv4Addr::new(10, 0, 0, 9)));
    }

    #[test]
    fn a_time_server_is_not_passed_over_in_silence() {
        let plan = plan("ip=10.0.0.2::10.0.0.1:24::eth0:none:10.0.0.1::10.0.0.9");
        let told = plan.remarks[0].outcome.as_ref().unwrap();
        assert!(told.contains("10.0.0.9 is not asked"), "{told}");
    }

    #[test]
    fn what_cannot_be_used_is_a_warning() {
        let plan = plan("ip=nonsense BOOTIF=x nameserver=y rd.route=z");
        assert_eq!(plan.warnings().count(), 4, "{:?}", plan.remarks);
        assert!(plan.method(&["eth0".into()], MAC).is_some());
    }
}
