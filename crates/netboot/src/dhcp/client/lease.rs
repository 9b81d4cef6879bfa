//! What a server's OFFER or ACK gives.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::dhcp::{AGENT_CLASS, Packet, code};

/// A lease without a time, or with one that is too short to boot in, counts as so long.
const MIN_LEASE: Duration = Duration::from_secs(60);
/// What a lease lasts whose server does not say.
const USUAL_LEASE: Duration = Duration::from_secs(3600);
/// A URL that is longer is not one of ours.
const MAX_URL: usize = 2048;

/// A lease, or, with address 0.0.0.0, what a proxyDHCP offers beside one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// `yiaddr`.
    pub address: Ipv4Addr,
    /// Bits of the subnet mask; the address's class decides when the server does not say.
    pub prefix: u8,
    /// Option 3, the first.
    pub router: Option<Ipv4Addr>,
    /// Option 121 (RFC 3442): destination, bits, gateway. When present, `router` does not count.
    pub routes: Vec<(Ipv4Addr, u8, Ipv4Addr)>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<String>,
    /// Option 12.
    pub host_name: Option<String>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 26.
    pub mtu: Option<u16>,
    /// Option 54: who gave it.
    pub server: Ipv4Addr,
    /// Option 51.
    pub lease_time: Duration,
    /// T1: when to ask the server for more.
    pub renewal: Duration,
    /// T2: when to ask anybody for more.
    pub rebinding: Duration,
    /// URL of `image.json`, when the answer is marked as bootwright's.
    pub image: Option<String>,
}

impl Lease {
    /// Reads an OFFER or ACK; `None` without a server identifier, which every answer must have, or with
    /// an address that no interface can have.
    pub fn read(packet: &Packet) -> Option<Self> {
        let options = &packet.options;
        let address = packet.yiaddr;
        if address.is_broadcast() || address.is_multicast() || address.is_loopback() {
            return None;
        }
        let mask = options.address(code::SUBNET_MASK).and_then(prefix_of);
        let seconds = |code| options.seconds(code).map(|seconds| Duration::from_secs(u64::from(seconds)));
        let lease_time = seconds(code::LEASE_TIME).unwrap_or(USUAL_LEASE).max(MIN_LEASE);
        let rebinding =
            seconds(code::REBINDING).filter(|time| *time < lease_time).unwrap_or(lease_time * 7 / 8);
        let renewal = seconds(code::RENEWAL).filter(|time| *time < rebinding).unwrap_or(lease_time / 2);
        let name = |code| options.text(code).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self {
            address,
            prefix: mask.unwrap_or_else(|| class_prefix(address)),
            router: options.address(code::ROUTER).filter(|router| !router.is_unspecified()),
            routes: options.get(code::CLASSLESS_ROUTES).and_then(classless_routes).unwrap_or_default(),
            dns: options.addresses(code::DNS).collect(),
            domain: name(code::DOMAIN_NAME),
            host_name: name(code::HOST_NAME),
            ntp: options.addresses(code::NTP).collect(),
            mtu: options.number(code::MTU).filter(|mtu| *mtu >= 576),
            server: options.address(code::SERVER_ID).filter(|server| !server.is_unspecified())?,
            lease_time,
            renewal: renewal.min(rebinding),
            rebinding,
            image: image(packet),
        })
    }

    /// Whether it gives an address.
    pub fn has_address(&self) -> bool {
        !self.address.is_unspecified()
    }

    /// Takes from an earlier answer what this one leaves out.
    pub(super) fn merge(&mut self, earlier: &Self) {
        if self.image.is_none() {
            self.image.clone_from(&earlier.image);
        }
    }
}

/// The URL in an answer that is marked with our vendor class: other servers' boot files are not images.
fn image(packet: &Packet) -> Option<String> {
    if packet.options.text(code::VENDOR_CLASS) != Some(AGENT_CLASS) {
        return None;
    }
    let file = || std::str::from_utf8(&packet.file).ok();
    let url = packet.options.text(code::BOOT_FILE).or_else(file)?;
    let sound = url.len() <= MAX_URL && url.bytes().all(|byte| byte.is_ascii_graphic());
    (sound && (url.starts_with("http://") || url.starts_with("https://"))).then(|| url.to_owned())
}

/// The bits of a mask without holes.
fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() == 32).then_some(bits.leading_ones() as u8)
}

fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets() {
        [0..128, ..] => 8,
        [128..192, ..] => 16,
        _ => 24,
    }
}

/// RFC 3442: bits, the significant bytes of the destination, the gateway. All or nothing.
fn classless_routes(mut option: &[u8]) -> Option<Vec<(Ipv4Addr, u8, Ipv4Addr)>> {
    let mut routes = Vec::new();
    while let Some((bits, rest)) = option.split_first() {
        let (significant, rest) = rest.split_at_checked(usize::from(bits.div_ceil(8)))?;
        let (gateway, rest) = rest.split_first_chunk::<4>()?;
        let mut destination = [0; 4];
        destination.get_mut(..significant.len())?.copy_from_slice(significant);
        routes.push((destination.into(), *bits, Ipv4Addr::from(*gateway)));
        option = rest;
    }
    routes.iter().all(|(_, bits, _)| *bits <= 32).then_some(routes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_with_holes_do_not_count() {
        assert_eq!(prefix_of(Ipv4Addr::new(255, 255, 240, 0)), Some(20));
        assert_eq!(prefix_of(Ipv4Addr::UNSPECIFIED), Some(0));
        assert_eq!(prefix_of(Ipv4Addr::BROADCAST), Some(32));
        assert_eq!(prefix_of(Ipv4Addr::new(255, 0, 255, 0)), None);
    }

    #[test]
    fn classless_routes_are_read_whole_or_not_at_all() {
        let option = [24, 10, 1, 2, 10, 0, 0, 1, 0, 10, 0, 0, 254];
        let routes = classless_routes(&option).unwrap();
        assert_eq!(routes[0], (Ipv4Addr::new(10, 1, 2, 0), 24, Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(routes[1], (Ipv4Addr::UNSPECIFIED, 0, Ipv4Addr::new(10, 0, 0, 254)));
        assert_eq!(classless_routes(&option[..10]), None);
        assert_eq!(classless_routes(&[255; 40]), None);
    }
}
