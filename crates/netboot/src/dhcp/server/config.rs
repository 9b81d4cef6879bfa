//! What the server is told: its address, its subnets, and what machines boot.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::arch::{Cpu, Firmware};
use crate::assign::Rules;
use crate::machine::Mac;

/// The most addresses that a subnet hands out: it bounds the table of leases.
pub const MAX_ADDRESSES: u32 = 1 << 20;
/// What a lease lasts when nobody says otherwise.
pub const LEASE_TIME: Duration = Duration::from_secs(3600);
/// The shortest lease: a boot must fit into it.
pub const MIN_LEASE_TIME: Duration = Duration::from_secs(120);

/// Everything that decides about answers.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our address on the interface: server identifier, `siaddr`, TFTP server.
    pub address: Ipv4Addr,
    /// Whether we give addresses.
    pub mode: Mode,
    /// Where boot files are.
    pub boot: Boot,
    /// Who boots what.
    pub rules: Rules,
    /// Whether anything is sent.
    pub sending: Sending,
}

/// Whether we give addresses.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Another server gives addresses; we add what is needed to boot (PXE 2.1 section 2.2).
    Proxy,
    /// We give addresses, from the subnet that the client is in.
    Full(Vec<Arc<Subnet>>),
}

/// Whether anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// Answers go out.
    Answers,
    /// A dry run: events say who would have been answered and how, nothing goes out or is kept.
    Nothing,
}

/// How a UEFI machine that boots by PXE gets to its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// By TFTP to iPXE, by HTTP from there on. Without an iPXE for that machine: as [`Road::Tftp`].
    Ipxe,
    /// The firmware fetches the UKI itself.
    Tftp,
}

/// An iPXE binary that the TFTP server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// The firmware that it is for; [`Firmware::Uefi`] is for U-Boot too.
    pub firmware: Firmware,
    /// The processor that it is for; does not count for a BIOS.
    pub cpu: Cpu,
    /// Its TFTP path, `undionly.kpxe`.
    pub path: String,
}

/// Where boot files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Scheme and authority of the HTTP server, with an address rather than a name: `http://10.0.0.1:8000`.
    pub server: String,
    /// For UEFI machines that boot by PXE.
    pub road: Road,
    /// iPXE binaries, the preferred one of each kind first.
    pub loaders: Vec<Loader>,
}

/// An address that always goes to one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The address.
    pub address: Ipv4Addr,
    /// Option 12 in answers to it.
    pub host_name: Option<String>,
}

/// A subnet as a configuration says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetConfig {
    /// Any address in it.
    pub network: Ipv4Addr,
    /// Bits of its mask.
    pub prefix: u8,
    /// Addresses that are handed out.
    pub ranges: Vec<RangeInclusive<Ipv4Addr>>,
    /// Option 3.
    pub router: Option<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<String>,
    /// Option 51.
    pub lease_time: Duration,
    /// By Ethernet address.
    pub reservations: HashMap<Mac, Reservation>,
}

/// A subnet that makes sense: ranges and reservations lie in it.
#[derive(Debug, Clone)]
pub struct Subnet {
    pub(super) config: SubnetConfig,
    /// In ranges, but not to be handed out to anybody.
    pub(super) excluded: BTreeSet<Ipv4Addr>,
}

/// What is wrong with a subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    /// A mask of no use.
    #[error("/{0} leaves no addresses for machines: use /8 to /30")]
    Prefix(u8),
    /// A range or reservation elsewhere.
    #[error("{address} is not a machine's address in {network}/{prefix}")]
    Outside {
        /// The address.
        address: Ipv4Addr,
        /// The subnet.
        network: Ipv4Addr,
        /// Its bits.
        prefix: u8,
    },
    /// The end before the beginning.
    #[error("the range {0}-{1} is empty: write the lower address first")]
    Empty(Ipv4Addr, Ipv4Addr),
    /// More than [`MAX_ADDRESSES`].
    #[error("the ranges have {0} addresses, more than {MAX_ADDRESSES}")]
    TooMany(u64),
    /// Two machines with one address.
    #[error("{0} is reserved for two machines")]
    ReservedTwice(Ipv4Addr),
    /// Shorter than [`MIN_LEASE_TIME`] or longer than 32 bits of seconds.
    #[error("a lease of {0:?} is not possible: between 2 minutes and 136 years")]
    LeaseTime(Duration),
}

impl Subnet {
    /// Checks a subnet in which we have the address `own`.
    pub fn new(config: SubnetConfig, own: Ipv4Addr) -> Result<Self, SubnetError> {
        if !(8..=30).contains(&config.prefix) {
            return Err(SubnetError::Prefix(config.prefix));
        }
        if config.lease_time < MIN_LEASE_TIME || u32::try_from(config.lease_time.as_secs()).is_err() {
            return Err(SubnetError::LeaseTime(config.lease_time));
        }
        let mut total = 0;
        for range in &config.ranges {
            if range.is_empty() {
                return Err(SubnetError::Empty(*range.start(), *range.end()));
            }
            total += u64::from(range.end().to_bits() - range.start().to_bits()) + 1;
        }
        if total > u64::from(MAX_ADDRESSES) {
            return Err(SubnetError::TooMany(total));
        }
        let mut excluded = BTreeSet::new();
        for reservation in config.reservations.values() {
            if !excluded.insert(reservation.address) {
                return Err(SubnetError::ReservedTwice(reservation.address));
            }
        }
        excluded.extend(config.dns.iter().chain(&config.router).chain(&config.ntp));
        excluded.insert(own);
        let subnet = Self { config, excluded };
        subnet.check_addresses()?;
        Ok(subnet)
    }

    fn check_addresses(&self) -> Result<(), SubnetError> {
        let ends = self.config.ranges.iter().flat_map(|range| [*range.start(), *range.end()]);
        let reserved = self.config.reservations.values().map(|reservation| reservation.address);
        let is_machine = |address: Ipv4Addr| {
            self.contains(address)
                && address.to_bits() & !self.mask() != 0
                && address != self.broadcast()
                && !address.is_multicast()
                && !address.is_loopback()
        };
        match ends.chain(reserved).find(|address| !is_machine(*address)) {
            None => Ok(()),
            Some(address) => {
                let network = Ipv4Addr::from_bits(self.config.network.to_bits() & self.mask());
                Err(SubnetError::Outside { address, network, prefix: self.config.prefix })
            }
        }
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &SubnetConfig {
        &self.config
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.config.network.to_bits()) & self.mask() == 0
    }

    /// Its mask, as bits.
    pub fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.config.prefix)).unwrap_or(0)
    }

    /// Its broadcast address.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.config.network.to_bits() | !self.mask())
    }

    /// Whether an address may be handed out to anybody who asks.
    pub(super) fn hands_out(&self, address: Ipv4Addr) -> bool {
        self.config.ranges.iter().any(|range| range.contains(&address)) && !self.excluded.contains(&address)
    }

    /// How many addresses the ranges have, those that are excluded too.
    pub(super) fn size(&self) -> u32 {
        self.config.ranges.iter().map(|range| range.end().to_bits() - range.start().to_bits() + 1).sum()
    }

    /// The address at `index` of the ranges put one after the other.
    pub(super) fn at(&self, mut index: u32) -> Option<Ipv4Addr> {
        for range in &self.config.ranges {
            let length = range.end().to_bits() - range.start().to_bits() + 1;
            if index < length {
                return Some(Ipv4Addr::from_bits(range.start().to_bits() + index));
            }
            index -= length;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(range: RangeInclusive<Ipv4Addr>) -> SubnetConfig {
        SubnetConfig {
            network: Ipv4Addr::new(10, 0, 0, 0),
            prefix: 24,
            ranges: vec![range],
            router: None,
            dns: vec![],
            ntp: vec![],
            domain: None,
            lease_time: LEASE_TIME,
            reservations: HashMap::new(),
        }
    }

    fn check(first: [u8; 4], last: [u8; 4]) -> Result<Subnet, SubnetError> {
        Subnet::new(config(first.into()..=last.into()), Ipv4Addr::new(10, 0, 0, 1))
    }

    #[test]
    fn ranges_must_be_addresses_of_machines_in_the_subnet() {
        assert!(check([10, 0, 0, 1], [10, 0, 0, 254]).is_ok());
        let outside = |result| matches!(result, Err(SubnetError::Outside { .. }));
        assert!(outside(check([10, 0, 0, 0], [10, 0, 0, 9])));
        assert!(outside(check([10, 0, 0, 9], [10, 0, 0, 255])));
        assert!(outside(check([10, 0, 0, 9], [10, 0, 1, 9])));
        assert!(matches!(check([10, 0, 0, 9], [10, 0, 0, 8]), Err(SubnetError::Empty(..))));
    }

    #[test]
    fn our_own_address_is_never_handed_out() {
        let subnet = check([10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
        assert!(!subnet.hands_out([10, 0, 0, 1].into()));
        assert!(subnet.hands_out([10, 0, 0, 2].into()));
        assert_eq!((subnet.at(1), subnet.at(2)), (Some([10, 0, 0, 2].into()), None));
    }
}
