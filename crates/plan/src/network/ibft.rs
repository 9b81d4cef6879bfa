//! The firmware's table of iSCSI (iBFT, ACPI "iBFT"), as the kernel's `iscsi_ibft` tells it below /sys/firmware/ibft:
//!
//! ```text
//! ethernet0/  flags  mac  vlan  dhcp  origin  ip-addr  subnet-mask or prefix-len  gateway  primary-dns  secondary-dns
//! target0/    flags  target-name  ip-addr  port  lun
//! ```
//!
//! `ip=ibft` means what dracut's does: every card that the firmware booted from comes up as it did there, on its VLAN
//! where it has one. The target is told and left to the system: a root by iSCSI is not booted.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bootwright_netboot::Mac;

use super::configuration::{Address, Configuration, Route};
use super::{IpArgument, Method, Plan, Setting, Vlan, fields};

/// The files of one directory, without the white space at their ends.
pub type Files = BTreeMap<String, String>;

/// Bits of `flags`: the structure is valid, and the firmware has booted by it.
const VALID: u32 = 1;
const BOOTED_BY: u32 = 2;
/// `origin` of an address that came by DHCP (`IpPrefixOriginDhcp`).
const BY_DHCP: &str = "3";
/// The highest id of a VLAN.
const MAX_ID: u16 = 4094;

/// A card as the firmware used it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its address.
    pub mac: Mac,
    /// The tag of its frames.
    pub vlan: Option<u16>,
    /// How it came up.
    pub method: Method,
}

/// The table, as far as it is of use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Cards to boot by.
    pub cards: Vec<Card>,
    /// The disks that the firmware was told of: `iqn.2010-04.lab:disk at 10.0.0.1:3260`.
    pub targets: Vec<String>,
    /// What could not be used.
    pub problems: Vec<String>,
}

impl Table {
    /// Reads the directories below /sys/firmware/ibft by their names.
    pub fn read(directories: &BTreeMap<String, Files>) -> Self {
        let mut table = Self::default();
        for (name, files) in directories {
            let flags = files.get("flags").and_then(|flags| flags.parse::<u32>().ok()).unwrap_or_default();
            if flags & VALID == 0 {
                continue;
            }
            if name.starts_with("ethernet") && flags & BOOTED_BY != 0 {
                match card(files) {
                    Ok(card) => table.cards.push(card),
                    Err(problem) => table.problems.push(format!("{name}: {problem}")),
                }
            } else if name.starts_with("target") && flags & BOOTED_BY != 0 {
                table.targets.extend(target(files));
            }
        }
        table
    }
}

impl Plan {
    /// Lets the table say how its cards come up.
    pub fn take_ibft(&mut self, table: &Table) {
        for (number, card) in table.cards.iter().enumerate() {
            let name = format!("ibft{number}");
            self.names.push((name.clone(), card.mac));
            let interface = match card.vlan {
                Some(id) => {
                    let tagged = format!("{name}.{id}");
                    self.vlans.push(Vlan { name: tagged.clone(), parent: name, id });
                    tagged
                }
                None => name,
            };
            let setting = Some(Setting::plain(card.method.clone()));
            self.arguments.push(IpArgument { interface: Some(interface), setting });
        }
    }
}

fn card(files: &Files) -> Result<Card, String> {
    let mac = files.get("mac").ok_or("no mac")?;
    let mac = fields::mac(mac)?.ok_or("no mac")?;
    let vlan = match files.get("vlan").map(String::as_str) {
        None | Some("" | "0") => None,
        Some(text) => match text.parse() {
            Ok(id @ 1..=MAX_ID) => Some(id),
            _ => return Err(format!("vlan {text:?} is none")),
        },
    };
    Ok(Card { mac, vlan, method: method(files)? })
}

/// The address in a file; the kernel writes one that is not there as zeros, or not at all.
fn address(files: &Files, name: &str) -> Result<Option<IpAddr>, String> {
    match files.get(name).map(String::as_str) {
        None | Some("") => Ok(None),
        Some(text) => {
            let address = text.parse::<IpAddr>().map_err(|_| format!("{name} {text:?} is no address"))?;
            Ok(Some(address).filter(|address| !address.is_unspecified()))
        }
    }
}

fn method(files: &Files) -> Result<Method, String> {
    let own = address(files, "ip-addr")?;
    let by_dhcp =
        address(files, "dhcp")?.is_some() || files.get("origin").is_some_and(|from| from == BY_DHCP);
    let own = match (own, by_dhcp) {
        (Some(IpAddr::V6(_)), true) => return Ok(Method::Dhcp6),
        (_, true) => return Ok(Method::Dhcp4),
        (None, false) => return Err("neither an address nor DHCP".to_owned()),
        (Some(own), false) => own,
    };
    let bits = ["prefix-len", "subnet-mask"].iter().find_map(|name| files.get(*name));
    let prefix = fields::prefix(bits.map(String::as_str).unwrap_or_default(), own)?;
    let gateway = address(files, "gateway")?.filter(|gateway| gateway.is_ipv4() == own.is_ipv4());
    let mut dns = Vec::new();
    for name in ["primary-dns", "secondary-dns"] {
        dns.extend(address(files, name)?);
    }
    Ok(Method::Static(Configuration {
        addresses: vec![Address { address: own, prefix }],
        routes: gateway.map(Route::default_via).into_iter().collect(),
        dns,
        ..Configuration::default()
    }))
}

fn target(files: &Files) -> Option<String> {
    let name = files.get("target-name").filter(|name| !name.is_empty())?;
    let address = address(files, "ip-addr").ok().flatten()?;
    let port = files.get("port").map_or("3260", String::as_str);
    Some(match address {
        IpAddr::V4(address) => format!("{name} at {address}:{port}"),
        IpAddr::V6(address) => format!("{name} at [{address}]:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use bootwright_image::cmdline::CommandLine;
    use proptest::prelude::*;

    use super::*;
    use crate::network::{Candidate, Purpose};

    fn files(text: &str) -> Files {
        let pair = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        text.split_whitespace().filter_map(pair).collect()
    }

    fn table(directories: &[(&str, &str)]) -> Table {
        Table::read(&directories.iter().map(|(name, text)| ((*name).to_owned(), files(text))).collect())
    }

    #[test]
    fn the_card_that_the_firmware_booted_by_comes_up_as_it_did_there() {
        let table = table(&[
            ("acpi_header", "signature=iBFT"),
            (
                "ethernet0",
                "flags=3 mac=52:54:00:00:00:01 vlan=0 ip-addr=10.0.0.2 subnet-mask=255.255.255.0 gateway=10.0.0.1 primary-dns=10.0.0.3 dhcp=0.0.0.0",
            ),
            ("ethernet1", "flags=1 mac=52:54:00:00:00:02 ip-addr=10.0.1.2"),
            ("initiator", "flags=3"),
            ("target0", "flags=3 target-name=iqn.2010-04.lab:disk ip-addr=10.0.0.1 port=3260"),
        ]);
        assert_eq!(
            (table.cards.len(), table.targets.as_slice()),
            (1, &["iqn.2010-04.lab:disk at 10.0.0.1:3260".to_owned()][..])
        );
        let mut plan = Plan::read(&CommandLine::parse("ip=ibft"));
        assert!(plan.wants_ibft && plan.arguments().is_empty());
        plan.take_ibft(&table);
        let eth0 = Candidate { names: vec!["eth0".into()], mac: "52:54:00:00:00:01".parse().unwrap() };
        let Purpose::Use(Setting { method: Method::Static(found), .. }) = plan.purpose(&eth0) else {
            panic!("{plan:?}")
        };
        assert_eq!(found.describe(), "address 10.0.0.2/24, gateway 10.0.0.1, name server 10.0.0.3");
        let other = Candidate { mac: "52:54:00:00:00:02".parse().unwrap(), ..eth0 };
        assert_eq!(plan.purpose(&other), Purpose::None);
    }

    #[test]
    fn a_tagged_card_is_below_its_vlan_and_dhcp_is_asked_anew() {
        let table =
            table(&[("ethernet0", "flags=3 mac=52:54:00:00:00:01 vlan=7 ip-addr=10.0.0.2 dhcp=10.0.0.1")]);
        let mut plan = Plan::default();
        plan.take_ibft(&table);
        let mac = "52:54:00:00:00:01".parse().unwrap();
        let card = Candidate { names: vec!["eth0".into()], mac };
        assert_eq!(plan.purpose(&card), Purpose::Below("ibft0.7".into()));
        let tagged = Candidate { names: vec!["ibft0.7".into()], mac };
        assert_eq!(plan.purpose(&tagged), Purpose::Use(Setting::plain(Method::Dhcp4)));
    }

    #[test]
    fn what_is_odd_is_a_problem_and_no_card() {
        for odd in [
            "mac=x",
            "mac=52:54:00:00:00:01",
            "mac=52:54:00:00:00:01 ip-addr=10.0.0.2 vlan=5000",
            "mac=52:54:00:00:00:01 ip-addr=10.0.0.2 prefix-len=99",
        ] {
            let table = table(&[("ethernet0", &format!("flags=3 {odd}"))]);
            assert_eq!((table.cards.len(), table.problems.len()), (0, 1), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn any_table_is_read(values in proptest::collection::vec("[0-9a-f:.]{0,20}", 10)) {
            let names = ["mac", "vlan", "ip-addr", "subnet-mask", "prefix-len", "gateway", "primary-dns", "dhcp", "origin", "port"];
            let mut files: Files = names.iter().map(|name| (*name).to_owned()).zip(values).collect();
            files.insert("flags".into(), "3".into());
            let _ = Table::read(&BTreeMap::from([("ethernet0".to_owned(), files.clone()), ("target0".to_owned(), files)]));
        }
    }
}
