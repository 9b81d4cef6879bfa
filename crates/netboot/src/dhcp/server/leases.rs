//! The table of leases.
//!
//! A client is known by its identifier (option 61), else by its Ethernet address (RFC 2131 section 2).
//! In the course of a boot firmware, iPXE, agent and system ask one after the other with identifiers of
//! their own; each replaces the one before it. So a lease passes to another identifier with the same
//! Ethernet address when either of the two is a boot stage: the machine keeps one address, and a fleet
//! does not need four times as many as it has machines.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::config::Subnet;
use super::record::{Lease, State};
use crate::machine::Mac;

/// How long an offered address waits for its REQUEST. Firmware takes up to 16 s between the two.
pub const OFFER_TIME: Duration = Duration::from_secs(30);
/// How long an address rests that a client found in use (DECLINE).
pub const QUARANTINE: Duration = Duration::from_secs(600);

/// Who asks for an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client<'a> {
    pub mac: Mac,
    /// Option 61.
    pub id: Option<&'a [u8]>,
    /// It is one of the programs of a boot, not the system that runs in the end.
    pub boot_stage: bool,
}

impl Client<'_> {
    /// A client without identifier is the same as one whose identifier is its Ethernet address.
    fn key(&self) -> Vec<u8> {
        match self.id {
            Some(id) if !id.is_empty() => id.to_vec(),
            _ => [&[1], self.mac.0.as_slice()].concat(),
        }
    }
}

/// Every lease, found by address, client and age.
#[derive(Debug, Default)]
pub struct Leases {
    by_address: HashMap<Ipv4Addr, Lease>,
    by_client: HashMap<Vec<u8>, Ipv4Addr>,
    by_mac: HashMap<Mac, Ipv4Addr>,
    /// Oldest end first.
    by_end: BTreeSet<(u64, Ipv4Addr)>,
    /// Per subnet, how far its ranges have been handed out for the first time.
    fresh: Vec<u32>,
}

impl Leases {
    /// Every record, living or not, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.by_address.values()
    }

    /// Puts a record in, as a journal is read back.
    pub fn restore(&mut self, lease: Lease) {
        if let Some(other) = self.by_client.get(&lease.client).filter(|other| **other != lease.address) {
            self.remove(*other);
        }
        self.insert(lease);
    }

    /// The lease that this client has or had.
    pub(super) fn of(&self, client: &Client<'_>) -> Option<&Lease> {
        let by_key = self.by_client.get(&client.key()).and_then(|address| self.by_address.get(address));
        by_key.or_else(|| {
            let lease = self.by_mac.get(&client.mac).and_then(|address| self.by_address.get(address))?;
            (lease.boot_stage || client.boot_stage).then_some(lease)
        })
    }

    /// Whether nobody but this client may have the address now.
    pub(super) fn is_free(&self, now: Duration, address: Ipv4Addr, client: &Client<'_>) -> bool {
        match self.by_address.get(&address) {
            None => true,
            Some(lease) if lease.ends <= now.as_secs() => true,
            Some(lease) if lease.state == State::Quarantined => false,
            Some(_) => self.of(client).is_some_and(|own| own.address == address),
        }
    }

    /// The address for a client without a reservation: the one it has or had, the one it asks for, one
    /// that nobody had yet, the one that has been free for longest.
    pub(super) fn pick(
        &mut self,
        now: Duration,
        (index, subnet): (usize, &Subnet),
        client: &Client<'_>,
        wish: Option<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        let usable = |address: &Ipv4Addr| subnet.hands_out(*address) && self.is_free(now, *address, client);
        let own = self.of(client).map(|lease| lease.address);
        if let Some(address) = own.into_iter().chain(wish).find(usable) {
            return Some(address);
        }
        self.fresh(index, subnet).or_else(|| {
            let ended = self.by_end.range(..=(now.as_secs(), Ipv4Addr::BROADCAST));
            ended.map(|(_, address)| *address).find(|address| subnet.hands_out(*address))
        })
    }

    /// Gives an address to a client until a time; whoever had it before loses it.
    pub(super) fn give(
        &mut self,
        client: &Client<'_>,
        address: Ipv4Addr,
        state: State,
        ends: Duration,
    ) -> &Lease {
        if let Some(other) = self.of(client).map(|lease| lease.address).filter(|other| *other != address) {
            self.remove(other);
        }
        self.insert(Lease {
            address,
            mac: client.mac,
            client: client.key(),
            state,
            ends: ends.as_secs(),
            boot_stage: client.boot_stage,
        })
    }

    /// Ends a lease now; the record stays, so that the client gets the same address again.
    pub(super) fn end(&mut self, now: Duration, address: Ipv4Addr) -> Option<&Lease> {
        let mut lease = self.by_address.get(&address)?.clone();
        lease.ends = lease.ends.min(now.as_secs());
        Some(self.insert(lease))
    }

    /// Keeps an address back that is in use by somebody unknown.
    pub(super) fn quarantine(&mut self, now: Duration, address: Ipv4Addr, mac: Mac) -> &Lease {
        let ends = (now + QUARANTINE).as_secs();
        let state = State::Quarantined;
        // No client's key is empty: the record belongs to nobody.
        self.insert(Lease { address, mac, client: Vec::new(), state, ends, boot_stage: false })
    }

    fn fresh(&mut self, index: usize, subnet: &Subnet) -> Option<Ipv4Addr> {
        if self.fresh.len() <= index {
            self.fresh.resize(index + 1, 0);
        }
        let next = self.fresh.get_mut(index)?;
        while *next < subnet.size() {
            let address = subnet.at(*next)?;
            *next += 1;
            if subnet.hands_out(address) && !self.by_address.contains_key(&address) {
                return Some(address);
            }
        }
        None
    }

    fn insert(&mut self, lease: Lease) -> &Lease {
        let address = lease.address;
        self.remove(address);
        self.by_end.insert((lease.ends, address));
        if lease.state != State::Quarantined {
            self.by_client.insert(lease.client.clone(), address);
            self.by_mac.insert(lease.mac, address);
        }
        self.by_address.entry(address).insert_entry(lease).into_mut()
    }

    fn remove(&mut self, address: Ipv4Addr) {
        let Some(lease) = self.by_address.remove(&address) else { return };
        self.by_end.remove(&(lease.ends, address));
        if self.by_client.get(&lease.client) == Some(&address) {
            self.by_client.remove(&lease.client);
        }
        if self.by_mac.get(&lease.mac) == Some(&address) {
            self.by_mac.remove(&lease.mac);
        }
    }
}
