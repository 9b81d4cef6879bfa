//! The full server (RFC 2131 section 4.3): every message that a client can send.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::boot::{self, NoPlan, Plan};
use super::config::{Mode, Reservation, Subnet};
use super::event::Outcome;
use super::leases::{Client, OFFER_TIME};
use super::record::State;
use super::{Output, Request, Server, is_host};
use crate::dhcp::packet::BROADCAST;
use crate::dhcp::{CLIENT_PORT, MessageType, Packet, code};

/// Why an address is not given.
const WRONG_NETWORK: &str = "the address is of another network";
const TAKEN: &str = "the address is another machine's";

impl Server {
    pub(super) fn full(&mut self, request: Request<'_>) -> Output {
        match request.kind {
            MessageType::Discover => self.discover(request),
            MessageType::Request => self.request(request),
            MessageType::Decline => self.decline(request),
            MessageType::Release => self.release(request),
            MessageType::Inform => self.inform(request),
            MessageType::Offer | MessageType::Ack | MessageType::Nak => Output::default(),
        }
    }

    /// Section 4.3.1.
    fn discover(&mut self, request: Request<'_>) -> Output {
        let Some((index, subnet)) = self.subnet(request.packet) else {
            let relay = request.packet.giaddr;
            return self.event(request.facts, Outcome::NoSubnet(relay));
        };
        let client = client(&request);
        let wish = request.packet.options.address(code::REQUESTED_ADDRESS);
        let reserved = reservation(&subnet, &request).map(|reservation| reservation.address);
        let address = match reserved {
            Some(address) => {
                Some(address).filter(|address| self.leases.is_free(request.now, *address, &client))
            }
            None => self.leases.pick(request.now, (index, &subnet), &client, wish),
        };
        let Some(address) = address else { return self.event(request.facts, Outcome::Exhausted) };
        let living = |lease: &&super::Lease| {
            lease.address == address && lease.state == State::Bound && lease.ends > request.now.as_secs()
        };
        if self.leases.of(&client).filter(living).is_none() {
            self.leases.give(&client, address, State::Offered, request.now + OFFER_TIME);
        }
        let (answer, plan) = self.lease_answer(&request, &subnet, MessageType::Offer, address);
        self.send(request, answer, Outcome::Offered { address: Some(address), boot: plan })
    }

    /// Section 4.3.2: SELECTING names a server (54) and an address (50), INIT-REBOOT an address only,
    /// RENEWING and REBINDING have it in `ciaddr`.
    ///
    /// An address of our ranges that nobody has is given to whoever says it is his: the ranges are ours
    /// alone, and a server that lost its leases does not stop machines that run.
    fn request(&mut self, request: Request<'_>) -> Output {
        let Some((_, subnet)) = self.subnet(request.packet) else { return Output::default() };
        let options = &request.packet.options;
        let selecting = options.address(code::SERVER_ID);
        if selecting.is_some_and(|server| server != self.config.address) {
            return self.turned_away(&request);
        }
        let ciaddr = Some(request.packet.ciaddr).filter(|address| is_host(*address));
        let Some(address) = options.address(code::REQUESTED_ADDRESS).or(ciaddr) else {
            return Output::default();
        };
        let client = client(&request);
        let ours = match reservation(&subnet, &request) {
            Some(reservation) => reservation.address == address,
            None => subnet.hands_out(address),
        };
        if ours && self.leases.is_free(request.now, address, &client) {
            let time = subnet.config.lease_time;
            let lease = self.leases.give(&client, address, State::Bound, request.now + time).clone();
            let (mut answer, plan) = self.lease_answer(&request, &subnet, MessageType::Ack, address);
            answer.ciaddr = request.packet.ciaddr;
            let mut output = self.send(request, answer, Outcome::Leased { address, boot: plan });
            output.change = Some(lease);
            return output;
        }
        if !subnet.contains(address) {
            return self.deny(request, address, WRONG_NETWORK);
        }
        if ours || selecting.is_some() || subnet.config.ranges.iter().any(|range| range.contains(&address)) {
            return self.deny(request, address, TAKEN);
        }
        // Of our network, not of our ranges: another server's client.
        Output::default()
    }

    /// The client took another server's offer: ours is free again.
    fn turned_away(&mut self, request: &Request<'_>) -> Output {
        let client = client(request);
        let offered = self.leases.of(&client).filter(|lease| lease.state == State::Offered);
        if let Some(address) = offered.map(|lease| lease.address) {
            self.leases.end(request.now, address);
        }
        Output::default()
    }

    fn deny(&mut self, request: Request<'_>, address: Ipv4Addr, why: &'static str) -> Output {
        let mut answer = self.answer(request.packet, MessageType::Nak);
        answer.options.put(code::MESSAGE, why);
        if is_host(request.packet.giaddr) {
            // Section 4.3.2: the relay shall broadcast it, the client's address is no good.
            answer.flags |= BROADCAST;
        }
        self.send(request, answer, Outcome::Denied { address, why })
    }

    /// Section 4.3.3.
    fn decline(&mut self, request: Request<'_>) -> Output {
        let options = &request.packet.options;
        let (Some(address), Some(server)) =
            (options.address(code::REQUESTED_ADDRESS), options.address(code::SERVER_ID))
        else {
            return Output::default();
        };
        if server != self.config.address || !self.holds(&request, address) {
            return Output::default();
        }
        let lease = self.leases.quarantine(request.now, address, request.facts.machine.mac).clone();
        let mut output = self.event(request.facts, Outcome::Declined(address));
        output.change = Some(lease);
        output
    }

    /// Section 4.3.4.
    fn release(&mut self, request: Request<'_>) -> Output {
        let address = request.packet.ciaddr;
        let server = request.packet.options.address(code::SERVER_ID);
        if server.is_some_and(|server| server != self.config.address) || !self.holds(&request, address) {
            return Output::default();
        }
        let lease = self.leases.end(request.now, address).cloned();
        let mut output = self.event(request.facts, Outcome::Released(address));
        output.change = lease;
        output
    }

    /// Section 4.3.5: everything but the lease.
    fn inform(&mut self, request: Request<'_>) -> Output {
        let address = request.packet.ciaddr;
        let Some((_, subnet)) = self.subnet(request.packet).filter(|_| is_host(address)) else {
            return Output::default();
        };
        let (mut answer, plan) = self.lease_answer(&request, &subnet, MessageType::Ack, address);
        answer.yiaddr = Ipv4Addr::UNSPECIFIED;
        answer.ciaddr = address;
        for lease_only in [code::LEASE_TIME, code::RENEWAL, code::REBINDING] {
            answer.options.remove(lease_only);
        }
        let mut output = self.send(request, answer, Outcome::Told(plan));
        if let Some(reply) = &mut output.reply {
            reply.to = std::net::SocketAddrV4::new(address, CLIENT_PORT);
        }
        output
    }

    fn holds(&self, request: &Request<'_>, address: Ipv4Addr) -> bool {
        self.leases.of(&client(request)).is_some_and(|lease| lease.address == address)
    }

    /// Where the client is: the relay's subnet, else ours.
    fn subnet(&self, packet: &Packet) -> Option<(usize, std::sync::Arc<Subnet>)> {
        let Mode::Full(subnets) = &self.config.mode else { return None };
        let place = if is_host(packet.giaddr) { packet.giaddr } else { self.config.address };
        let (index, subnet) = subnets.iter().enumerate().find(|(_, subnet)| subnet.contains(place))?;
        Some((index, subnet.clone()))
    }

    fn lease_answer(
        &self,
        request: &Request<'_>,
        subnet: &Subnet,
        kind: MessageType,
        address: Ipv4Addr,
    ) -> (Packet, Result<Plan, NoPlan>) {
        let mut answer = self.answer(request.packet, kind);
        answer.yiaddr = address;
        let config = &subnet.config;
        let options = &mut answer.options;
        let seconds = |time: Duration| (time.as_secs() as u32).to_be_bytes();
        options.put(code::LEASE_TIME, seconds(config.lease_time));
        options.put(code::RENEWAL, seconds(config.lease_time / 2));
        options.put(code::REBINDING, seconds(config.lease_time * 7 / 8));
        options.put(code::SUBNET_MASK, subnet.mask().to_be_bytes());
        options.put_addresses(code::BROADCAST_ADDRESS, &[subnet.broadcast()]);
        for (code, addresses) in
            [(code::ROUTER, config.router.as_slice()), (code::DNS, &config.dns), (code::NTP, &config.ntp)]
        {
            if !addresses.is_empty() {
                options.put_addresses(code, addresses);
            }
        }
        if let Some(domain) = &config.domain {
            options.put(code::DOMAIN_NAME, domain.as_bytes());
        }
        if let Some(name) =
            reservation(subnet, request).and_then(|reservation| reservation.host_name.as_ref())
        {
            options.put(code::HOST_NAME, name.as_bytes());
        }
        let plan = boot::plan(&self.config, &request.facts, &request.changes);
        if let Ok(plan) = &plan {
            let which = if kind == MessageType::Offer { boot::Answer::Offer } else { boot::Answer::Final };
            boot::write(plan, &self.config, request.packet, &mut answer, which);
        }
        (answer, plan)
    }
}

fn client<'a>(request: &Request<'a>) -> Client<'a> {
    Client {
        mac: request.facts.machine.mac,
        // A piece-wise identifier of more than 255 bytes is nobody's real one.
        id: request.packet.options.get(code::CLIENT_ID).filter(|id| id.len() <= 255),
        boot_stage: request.facts.asker.is_boot_stage(),
    }
}

fn reservation<'a>(subnet: &'a Subnet, request: &Request<'_>) -> Option<&'a Reservation> {
    subnet.config.reservations.get(&request.facts.machine.mac)
}
