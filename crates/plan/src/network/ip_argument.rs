//! One `ip=` of the command line.
//!
//! ```text
//! METHOD
//! INTERFACE:METHOD[:MTU[:MAC]]                                                   (dracut)
//! CLIENT:PEER:GATEWAY:NETMASK:HOSTNAME:INTERFACE:METHOD[:DNS1[:DNS2[:NTP]]]      (kernel)
//! CLIENT:PEER:GATEWAY:NETMASK:HOSTNAME:INTERFACE:METHOD[:MTU[:MAC]]              (dracut)
//!
//! METHOD: dhcp on any both | dhcp6 | auto6 | either6 | link6 | off none
//! ```
//!
//! NETMASK is dotted or a prefix length; IPv6 addresses stand in brackets. Not supported: point-to-point
//! (a PEER that differs), setting the host name.

use std::net::IpAddr;

use bootwright_netboot::Mac;

use super::configuration::{Address, Configuration, Route};
use super::fields::{self, address, interface, mac, mtu, prefix};

/// How an interface gets its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// By DHCPv4, or by IPv6 where only that is there: what nobody says anything about.
    Automatic,
    /// By DHCPv4.
    Dhcp4,
    /// By DHCPv6.
    Dhcp6,
    /// By router advertisements (SLAAC).
    Auto6,
    /// By router advertisements, or by DHCPv6 when they say so.
    Either6,
    /// As the line says.
    Static(Configuration),
}

/// How one interface comes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its address.
    pub method: Method,
    /// Its MTU, when fixed: bytes.
    pub mtu: Option<u32>,
    /// The hardware address that it gets.
    pub mac: Option<Mac>,
}

impl Setting {
    /// With nothing else said.
    pub fn plain(method: Method) -> Self {
        Self { method, mtu: None, mac: None }
    }
}

/// `ip=`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpArgument {
    /// The interface it names.
    pub interface: Option<String>,
    /// How that comes up; `None`: not at all.
    pub setting: Option<Setting>,
}

impl IpArgument {
    /// A sentence on it, for the operator.
    pub fn describe(&self) -> String {
        let interface = self.interface.as_deref().unwrap_or("every wired interface");
        let Some(Setting { method, mtu, mac }) = &self.setting else {
            return format!("{interface}: not brought up");
        };
        let mut text = format!("{interface}: {}", method.describe());
        mtu.iter().for_each(|mtu| text.push_str(&format!(", MTU {mtu}")));
        mac.iter().for_each(|mac| text.push_str(&format!(", hardware address {mac}")));
        text
    }
}

impl Method {
    /// `address by DHCPv4`, for the operator.
    pub fn describe(&self) -> String {
        match self {
            Self::Automatic => "address by DHCPv4, or by IPv6 where only that is there".to_owned(),
            Self::Dhcp4 => "address by DHCPv4".to_owned(),
            Self::Dhcp6 => "address by DHCPv6".to_owned(),
            Self::Auto6 => "address by router advertisements".to_owned(),
            Self::Either6 => "address by router advertisements, or by DHCPv6 when they say so".to_owned(),
            Self::Static(configuration) => configuration.describe(),
        }
    }
}

/// Takes the value of `ip=` apart; the error says what cannot be used.
pub fn parse(value: &str) -> Result<IpArgument, String> {
    let parts = fields::split(value);
    let field = |at: usize| parts.get(at).copied().unwrap_or_default();
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    match parts.as_slice() {
        [word] if !is_address(word) => {
            Ok(IpArgument { interface: None, setting: method(word)?.map(Setting::plain) })
        }
        [first, word, ..] if !first.is_empty() && !is_address(first) => {
            let setting = match method(word)? {
                Some(method) => Some(Setting { method, mtu: mtu(field(2))?, mac: mac(&rest(&parts, 3))? }),
                None => None,
            };
            Ok(IpArgument { interface: Some(interface(first)?), setting })
        }
        _ => full(&parts),
    }
}

fn full(parts: &[&str]) -> Result<IpArgument, String> {
    let field = |at: usize| parts.get(at).copied().unwrap_or_default();
    let interface = match field(5) {
        "" => None,
        name => Some(interface(name)?),
    };
    let dns: Vec<IpAddr> = [7, 8].into_iter().filter_map(|at| field(at).parse().ok()).collect();
    let (mtu, mac) = match dns.is_empty() {
        true => (mtu(field(7))?, mac(&rest(parts, 8))?),
        false => (None, None),
    };
    let told = method(or(field(6), if field(0).is_empty() { "dhcp" } else { "none" }))?;
    let method = match (field(0), told) {
        // As dracut has it, an address beside a method is what is asked for first; ours asks for any.
        (_, Some(method)) => Some(method),
        ("", None) => None,
        (client, None) => Some(Method::Static(fixed(client, &field, dns)?)),
    };
    Ok(IpArgument { interface, setting: method.map(|method| Setting { method, mtu, mac }) })
}

fn fixed<'a>(
    client: &str,
    field: &impl Fn(usize) -> &'a str,
    dns: Vec<IpAddr>,
) -> Result<Configuration, String> {
    let client = address(client, "address")?;
    let gateway = match field(2) {
        "" => None,
        text => Some(address(text, "gateway")?),
    };
    if gateway.is_some_and(|gateway| gateway.is_ipv4() != client.is_ipv4()) {
        return Err("address and gateway are of two kinds, IPv4 and IPv6".to_owned());
    }
    Ok(Configuration {
        addresses: vec![Address { address: client, prefix: prefix(field(3), client)? }],
        routes: gateway.map(Route::default_via).into_iter().collect(),
        dns,
        ..Configuration::default()
    })
}

/// What is left is one hardware address, whose colons have cut it.
fn rest(parts: &[&str], from: usize) -> String {
    parts.get(from..).unwrap_or_default().join(":")
}

fn method(word: &str) -> Result<Option<Method>, String> {
    Ok(Some(match word {
        "dhcp" | "on" | "any" | "both" | "single-dhcp" => Method::Dhcp4,
        "dhcp6" => Method::Dhcp6,
        "auto6" => Method::Auto6,
        "either6" => Method::Either6,
        "off" | "none" => return Ok(None),
        other => {
            return Err(format!(
                "{other:?} is no method that this agent knows: dhcp, dhcp6, auto6, either6, off, or an address"
            ));
        }
    }))
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fixed(value: &str) -> (Option<String>, Configuration) {
        match parse(value) {
            Ok(IpArgument {
                interface,
                setting: Some(Setting { method: Method::Static(configuration), .. }),
            }) => (interface, configuration),
            other => panic!("{value}: {other:?}"),
        }
    }

    fn setting(value: &str) -> Setting {
        parse(value).unwrap().setting.unwrap()
    }

    #[test]
    fn the_kernels_form_with_name_servers_is_read() {
        let (interface, configuration) =
            fixed("10.0.2.15::10.0.2.2:255.255.255.0:node1:eth0:off:10.0.2.3:1.1.1.1");
        assert_eq!(interface.as_deref(), Some("eth0"));
        assert_eq!(configuration.addresses[0].prefix, 24);
        assert_eq!(configuration.routes, [Route::default_via([10, 0, 2, 2].into())]);
        assert_eq!(configuration.dns, [IpAddr::from([10, 0, 2, 3]), IpAddr::from([1, 1, 1, 1])]);
    }

    #[test]
    fn dracuts_form_with_a_prefix_an_mtu_and_a_hardware_address_is_read() {
        let value = "192.168.7.2::192.168.7.1:28::enp1s0:none:9000:52:54:00:12:34:56";
        assert_eq!(fixed(value).1.addresses[0].prefix, 28);
        assert_eq!(setting(value).mtu, Some(9000));
        assert_eq!(setting(value).mac, Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])));
        assert_eq!(setting("eth0:dhcp::52-54-00-12-34-56").mac, Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])));
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        let (interface, configuration) = fixed("[fd00::2]::[fd00::1]:48::eth0:none:[fd00::53]");
        assert_eq!(interface.as_deref(), Some("eth0"));
        assert_eq!(configuration.addresses[0].to_string(), "fd00::2/48");
        assert_eq!(configuration.routes[0].gateway, "fd00::1".parse().ok());
        assert_eq!(configuration.dns, ["fd00::53".parse::<IpAddr>().unwrap()]);
        assert_eq!(fixed("[fd00::2]").1.addresses[0].prefix, 64);
    }

    #[test]
    fn a_bare_address_has_the_prefix_of_its_class() {
        for (value, prefix) in [("10.1.2.3", 8), ("172.16.0.9", 16), ("192.168.0.9", 24)] {
            assert_eq!(fixed(value).1.addresses[0].prefix, prefix);
        }
    }

    #[test]
    fn every_method_is_asked_for_in_every_form() {
        for value in ["dhcp", "on", "any", ":::::eth0:dhcp", "eth0:dhcp", "::::node1::dhcp", ":::::eth0"] {
            assert_eq!(setting(value), Setting::plain(Method::Dhcp4), "{value}");
        }
        for (word, method) in
            [("dhcp6", Method::Dhcp6), ("auto6", Method::Auto6), ("either6", Method::Either6)]
        {
            for value in [word.to_owned(), format!("eth0:{word}"), format!(":::::eth0:{word}")] {
                assert_eq!(setting(&value).method, method, "{value}");
            }
        }
        assert_eq!(parse("off"), Ok(IpArgument { interface: None, setting: None }));
        assert_eq!(parse(":::::eth0:none").unwrap().setting, None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (value, word) in [
            ("10.0.0.1:::255.0.255.0:::off", "one piece"),
            ("eth0:dhcp:1500:52:54:00", "Ethernet address"),
            ("eth0:ibft", "ibft"),
            ("10.0.0.2::x:24", "gateway"),
            ("10.0.0.2::[fd00::1]:24", "two kinds"),
            ("eth0:dhcp:12", "MTU"),
            ("a/b:dhcp", "name of an interface"),
            ("[fd00::2]:::129::eth0:none", "netmask"),
        ] {
            let error = parse(value).unwrap_err();
            assert!(error.contains(word), "{value}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(value in "[a-z0-9:./\\[\\]-]{0,60}") {
            let _ = parse(&value).map(|argument| argument.describe());
        }
    }
}
