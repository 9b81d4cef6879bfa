//! One `ip=` of the command line.
//!
//! ```text
//! dhcp | on | any | both | off | none
//! INTERFACE:METHOD[:MTU[:MAC]]                                                   (dracut)
//! CLIENT:PEER:GATEWAY:NETMASK:HOSTNAME:INTERFACE:METHOD[:DNS1[:DNS2[:NTP]]]      (kernel)
//! CLIENT:PEER:GATEWAY:NETMASK:HOSTNAME:INTERFACE:METHOD[:MTU[:MAC]]              (dracut)
//! ```
//!
//! NETMASK is dotted or a prefix length. Not supported: IPv6, iBFT, setting the hardware address.

use std::net::Ipv4Addr;

use super::Method;
use super::configuration::{Configuration, Route};

/// `ip=`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpArgument {
    /// The interface it names.
    pub interface: Option<String>,
    /// How that comes up; `None`: not at all.
    pub method: Option<Method>,
}

impl IpArgument {
    /// A sentence on it, for the operator.
    pub fn describe(&self) -> String {
        let interface = self.interface.as_deref().unwrap_or("every wired interface");
        match &self.method {
            None => format!("{interface}: not brought up"),
            Some(Method::Dhcp { mtu: None }) => format!("{interface}: address by DHCPv4"),
            Some(Method::Dhcp { mtu: Some(mtu) }) => format!("{interface}: address by DHCPv4, MTU {mtu}"),
            Some(Method::Static(configuration)) => format!("{interface}: {}", configuration.describe()),
        }
    }
}

/// Takes the value of `ip=` apart; the error says what cannot be used.
pub fn parse(value: &str) -> Result<IpArgument, String> {
    if value.contains('[') {
        return Err("IPv6 is not supported by this agent".to_owned());
    }
    let fields: Vec<&str> = value.split(':').collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    match fields.as_slice() {
        [word] if word.parse::<Ipv4Addr>().is_err() => {
            Ok(IpArgument { interface: None, method: method(word, None)? })
        }
        [first, word, ..] if !first.is_empty() && first.parse::<Ipv4Addr>().is_err() => {
            let mtu = mtu(field(2))?;
            refuse_mac(field(3))?;
            Ok(IpArgument { interface: Some((*first).to_owned()), method: method(word, mtu)? })
        }
        _ => full(&fields),
    }
}

fn full(fields: &[&str]) -> Result<IpArgument, String> {
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let interface = Some(field(5)).filter(|name| !name.is_empty()).map(str::to_owned);
    let dns: Vec<Ipv4Addr> = [7, 8].into_iter().filter_map(|at| field(at).parse().ok()).collect();
    let mtu = if dns.is_empty() { mtu(field(7))? } else { None };
    if dns.is_empty() {
        refuse_mac(&fields.get(8..).unwrap_or_default().join(":"))?;
    }
    let client = match field(0) {
        "" => return Ok(IpArgument { interface, method: method(or(field(6), "dhcp"), mtu)? }),
        text => address(text, "address")?,
    };
    if matches!(field(6), "dhcp" | "on" | "any" | "both") {
        return Ok(IpArgument { interface, method: Some(Method::Dhcp { mtu }) });
    }
    let gateway = match field(2) {
        "" => None,
        text => Some(address(text, "gateway")?),
    };
    let default = gateway.map(Route::default_via);
    let configuration = Configuration {
        address: client,
        prefix: prefix(field(3), client)?,
        routes: default.into_iter().collect(),
        dns,
        search: Vec::new(),
        mtu,
    };
    Ok(IpArgument { interface, method: Some(Method::Static(configuration)) })
}

fn method(word: &str, mtu: Option<u32>) -> Result<Option<Method>, String> {
    match word {
        "dhcp" | "on" | "any" | "both" => Ok(Some(Method::Dhcp { mtu })),
        "off" | "none" => Ok(None),
        other => Err(format!("{other:?} is no method that this agent knows: dhcp, or a static address")),
    }
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn mtu(text: &str) -> Result<Option<u32>, String> {
    match text {
        "" => Ok(None),
        number => match number.parse() {
            // RFC 791: every link carries 68 bytes; the total length field ends at 65535.
            Ok(mtu @ 68..=65535) => Ok(Some(mtu)),
            _ => Err(format!("{number:?} is no MTU")),
        },
    }
}

fn refuse_mac(text: &str) -> Result<(), String> {
    match text {
        "" => Ok(()),
        _ => Err("setting the hardware address is not supported by this agent".to_owned()),
    }
}

fn address(text: &str, what: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("{text:?} is no IPv4 {what}"))
}

/// A dotted mask, a prefix length, or by the address's class when absent, as the kernel has it.
fn prefix(text: &str, client: Ipv4Addr) -> Result<u8, String> {
    let mask = match text {
        "" => {
            return Ok(match client.octets() {
                [0..=127, ..] => 8,
                [128..=191, ..] => 16,
                _ => 24,
            });
        }
        text => text,
    };
    if let Ok(prefix @ 0..=32) = mask.parse() {
        return Ok(prefix);
    }
    let bits = address(mask, "netmask")?.to_bits();
    let prefix = bits.leading_ones();
    match bits.count_ones() == prefix {
        true => Ok(prefix as u8),
        false => Err(format!("{mask} is no netmask: its ones are not in one piece")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fixed(value: &str) -> (Option<String>, Configuration) {
        match parse(value) {
            Ok(IpArgument { interface, method: Some(Method::Static(configuration)) }) => {
                (interface, configuration)
            }
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn the_kernels_form_with_name_servers_is_read() {
        let (interface, configuration) =
            fixed("10.0.2.15::10.0.2.2:255.255.255.0:node1:eth0:off:10.0.2.3:1.1.1.1");
        assert_eq!(interface.as_deref(), Some("eth0"));
        assert_eq!(configuration.prefix, 24);
        assert_eq!(configuration.routes, [Route::default_via(Ipv4Addr::new(10, 0, 2, 2))]);
        assert_eq!(configuration.dns, [Ipv4Addr::new(10, 0, 2, 3), Ipv4Addr::new(1, 1, 1, 1)]);
    }

    #[test]
    fn dracuts_form_with_a_prefix_and_an_mtu_is_read() {
        let (_, configuration) = fixed("192.168.7.2::192.168.7.1:28::enp1s0:none:9000");
        assert_eq!((configuration.prefix, configuration.mtu), (28, Some(9000)));
    }

    #[test]
    fn a_bare_address_has_the_prefix_of_its_class() {
        assert_eq!(fixed("10.1.2.3").1.prefix, 8);
        assert_eq!(fixed("172.16.0.9").1.prefix, 16);
        assert_eq!(fixed("192.168.0.9").1.prefix, 24);
    }

    #[test]
    fn dhcp_is_asked_for_in_every_form() {
        for value in ["dhcp", "on", "any", ":::::eth0:dhcp", "eth0:dhcp", "::::node1::dhcp", ":::::eth0"] {
            let parsed = parse(value);
            assert!(
                matches!(&parsed, Ok(IpArgument { method: Some(Method::Dhcp { mtu: None }), .. })),
                "{value}: {parsed:?}"
            );
        }
        assert_eq!(parse("off"), Ok(IpArgument { interface: None, method: None }));
    }

    #[test]
    fn what_is_not_supported_or_wrong_is_said() {
        for (value, word) in [
            ("[fd00::2]::[fd00::1]:64::eth0:none", "IPv6"),
            ("10.0.0.1:::255.0.255.0:::off", "one piece"),
            ("eth0:dhcp:1500:52:54:00:12:34:56", "hardware address"),
            ("eth0:ibft", "ibft"),
            ("10.0.0.2::x:24", "gateway"),
            ("eth0:dhcp:12", "MTU"),
        ] {
            let error = parse(value).unwrap_err();
            assert!(error.contains(word), "{value}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(value in "[a-z0-9:./\\[\\]-]{0,60}") {
            let _ = parse(&value);
        }
    }
}
