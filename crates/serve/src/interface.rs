//! The network interface that is served, and our addresses on it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::LinkAttribute;

/// Most IPv6 addresses that are listened on: an interface has one or two that stay.
const MAX_V6: usize = 8;

/// An IPv4 address of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The interface's name.
    pub name: String,
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of its network mask.
    pub prefix: u8,
    /// IPv6 addresses of the same interface, where files and peers are served too. None is link-local: a URL cannot
    /// name one for every client.
    pub v6: Vec<Ipv6Addr>,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}/{})", self.name, self.address, self.prefix)
    }
}

/// Why no interface can be served.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// The kernel does not answer.
    #[error("asking the kernel for network interfaces: {0}")]
    Netlink(String),
    /// No such interface.
    #[error("there is no interface {name:?} with an IPv4 address; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// None was named and the choice is not clear.
    #[error("several interfaces could be served: {0}. Choose one with --interface")]
    Ambiguous(String),
    /// None was named and there is none.
    #[error("no interface but loopback has an IPv4 address: give one an address (ip address add) first")]
    None,
    /// The address is not there.
    #[error("{address} is not an address of {place}; there are: {known}")]
    Address {
        /// What was asked for.
        address: Ipv4Addr,
        /// Where.
        place: String,
        /// What there is.
        known: String,
    },
}

impl InterfaceError {
    /// Whether other options would help.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Netlink(_) | Self::None)
    }
}

/// Every IPv4 address of this host. Must be called inside a tokio runtime.
pub async fn list() -> Result<Vec<Interface>, InterfaceError> {
    let failed = |error: rtnetlink::Error| InterfaceError::Netlink(error.to_string());
    let (connection, handle, _) =
        rtnetlink::new_connection().map_err(|error| InterfaceError::Netlink(error.to_string()))?;
    let pump = tokio::spawn(connection);
    let links: Vec<_> = handle.link().get().execute().try_collect().await.map_err(failed)?;
    let addresses: Vec<_> = handle.address().get().execute().try_collect().await.map_err(failed)?;
    pump.abort();
    let name = |index: u32| {
        let link = links.iter().find(|link| link.header.index == index)?;
        link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })
    };
    let v6 = |index: u32| {
        let here = addresses.iter().filter(|message| message.header.index == index);
        here.filter_map(lasting_v6).take(MAX_V6).collect()
    };
    let all = addresses.iter().filter_map(|message| {
        let local = message.attributes.iter().find_map(|attribute| match attribute {
            // On point-to-point links Address is the other end.
            AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
            _ => None,
        });
        let (address, name) = (local?, name(message.header.index)?);
        let v6 = v6(message.header.index);
        Some(Interface { name, address, prefix: message.header.prefix_len, v6 })
    });
    Ok(all.collect())
}

/// The IPv6 address of a message, when it is there to stay: neither link-local nor on trial (RFC 4862), nor one of
/// those that change every day (RFC 8981).
fn lasting_v6(message: &AddressMessage) -> Option<Ipv6Addr> {
    let find = |of: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(of);
    let local = find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    // Only on point-to-point links is there a Local beside the Address.
    let address = local.or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    });
    let flags = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    // IFA_F_TEMPORARY has the value of IFA_F_SECONDARY.
    let passing = AddressFlags::Secondary
        | AddressFlags::Dadfailed
        | AddressFlags::Deprecated
        | AddressFlags::Tentative;
    match address {
        Some(IpAddr::V6(address)) => {
            let lasts = !flags.unwrap_or(AddressFlags::empty()).intersects(passing);
            (lasts && !address.is_unicast_link_local() && !address.is_multicast()).then_some(address)
        }
        _ => None,
    }
}

/// The one to serve: what was asked for, else the only one that is not loopback.
pub fn choose(
    all: &[Interface],
    name: Option<&str>,
    address: Option<Ipv4Addr>,
) -> Result<Interface, InterfaceError> {
    let on_it: Vec<&Interface> = match name {
        Some(name) => all.iter().filter(|interface| interface.name == name).collect(),
        None => all.iter().filter(|one| address.is_some() || !one.address.is_loopback()).collect(),
    };
    if let (Some(name), true) = (name, on_it.is_empty()) {
        return Err(InterfaceError::Unknown { name: name.to_owned(), known: text(all.iter()) });
    }
    if let Some(address) = address {
        let found = on_it.iter().find(|interface| interface.address == address);
        return found.map(|found| (*found).clone()).ok_or_else(|| InterfaceError::Address {
            address,
            place: name.unwrap_or("this host").to_owned(),
            known: text(on_it.iter().copied()),
        });
    }
    let first = on_it.first().ok_or(InterfaceError::None)?;
    if on_it.iter().any(|other| other.name != first.name) {
        return Err(InterfaceError::Ambiguous(text(on_it.iter().copied())));
    }
    Ok((*first).clone())
}

fn text<'a>(interfaces: impl Iterator<Item = &'a Interface>) -> String {
    let all: Vec<String> = interfaces.map(Interface::to_string).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(names: &[(&str, u8)]) -> Vec<Interface> {
        let lo = Interface { name: "lo".into(), address: Ipv4Addr::LOCALHOST, prefix: 8, v6: Vec::new() };
        let one = |(name, last): &(&str, u8)| {
            let address = Ipv4Addr::new(10, 0, 0, *last);
            Interface { name: (*name).into(), address, prefix: 24, v6: Vec::new() }
        };
        std::iter::once(lo).chain(names.iter().map(one)).collect()
    }

    #[test]
    fn the_only_one_beside_loopback_is_taken() {
        let all = host(&[("eth0", 1), ("eth0", 2)]);
        assert_eq!(choose(&all, None, None).unwrap().address, Ipv4Addr::new(10, 0, 0, 1));
        let second = Some(Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(Some(choose(&all, None, second).unwrap().address), second);
        assert_eq!(choose(&all, Some("lo"), None).unwrap().name, "lo");
    }

    #[test]
    fn what_cannot_be_chosen_is_said_with_what_there_is() {
        let all = host(&[("eth0", 1), ("eth1", 2)]);
        let error = |name, address| choose(&all, name, address).unwrap_err().to_string();
        assert!(error(None, None).contains("eth0 (10.0.0.1/24), eth1 (10.0.0.2/24)"));
        assert!(error(Some("eth7"), None).contains("no interface \"eth7\""));
        assert!(error(Some("eth0"), Some(Ipv4Addr::new(10, 0, 0, 2))).contains("not an address of eth0"));
        assert!(matches!(choose(&host(&[]), None, None), Err(InterfaceError::None)));
    }

    #[test]
    fn only_an_ipv6_address_that_stays_is_served() {
        let message = |text: &str, flags| {
            let mut message = AddressMessage::default();
            let address = IpAddr::V6(text.parse().unwrap());
            message.attributes = vec![AddressAttribute::Address(address), AddressAttribute::Flags(flags)];
            lasting_v6(&message).map(|address| address.to_string())
        };
        assert_eq!(message("fd00::2", AddressFlags::Permanent).as_deref(), Some("fd00::2"));
        assert_eq!(message("fe80::1", AddressFlags::Permanent), None);
        for passing in [AddressFlags::Tentative, AddressFlags::Deprecated, AddressFlags::Secondary] {
            assert_eq!(message("fd00::2", passing), None);
        }
    }

    #[tokio::test]
    async fn the_kernel_tells_of_loopback() {
        let all = list().await.unwrap();
        assert!(all.iter().any(|one| one.name == "lo" && one.address == Ipv4Addr::LOCALHOST), "{all:?}");
    }
}
