//! The switch's own host: a TCP/IP stack (smoltcp) that passes on what comes for the server.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use rustix::event::PollFd;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

use super::door::Door;
use super::tcp::Connections;
use super::udp::Datagrams;
use super::{PREFIX, address};

/// The host's Ethernet address: QEMU's range, beside those of the [machines](crate::machine::mac).
pub(super) const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0xb0, 0x08, 0x01];
/// The longest frame: header and 1500 bytes.
pub(super) const MTU: usize = 1514;

/// A host on the switch.
pub(super) struct Host {
    interface: Interface,
    sockets: SocketSet<'static>,
    wire: Wire,
    connections: Connections,
    datagrams: Datagrams,
}

impl Host {
    pub(super) fn new(door: &Door) -> io::Result<Self> {
        let mut config = Config::new(EthernetAddress(MAC).into());
        // Sequence numbers that an earlier run has used must not come again.
        config.random_seed = std::process::id().into();
        let mut wire = Wire::default();
        let mut interface = Interface::new(config, &mut wire, Instant::now());
        interface.update_ip_addrs(|addresses| {
            // A list of one has room for one.
            let _ = addresses.push(IpCidr::new(address().into(), PREFIX));
        });
        Ok(Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            wire,
            connections: Connections::new(door.clone()),
            datagrams: Datagrams::new(door.clone())?,
        })
    }

    /// Takes in a frame; [`Host::step`] looks at it.
    pub(super) fn receive(&mut self, frame: &[u8]) {
        if !self.datagrams.take(frame) {
            self.connections.expect(frame, &mut self.sockets);
            self.wire.incoming.push_back(frame.to_vec());
        }
    }

    /// Works on everything that has arrived from either side; the frames that come of it.
    pub(super) fn step(&mut self) -> VecDeque<Vec<u8>> {
        self.interface.poll(Instant::now(), &mut self.wire, &mut self.sockets);
        self.connections.step(&mut self.sockets);
        self.datagrams.step(&mut self.wire.outgoing);
        self.interface.poll(Instant::now(), &mut self.wire, &mut self.sockets);
        std::mem::take(&mut self.wire.outgoing)
    }

    /// How long nothing is to be done when nothing arrives.
    pub(super) fn delay(&mut self) -> Option<Duration> {
        self.interface.poll_delay(Instant::now(), &self.sockets).map(Duration::from)
    }

    /// Adds what poll(2) shall tell us of.
    pub(super) fn waits_for<'a>(&'a self, list: &mut Vec<PollFd<'a>>) {
        self.connections.waits_for(&self.sockets, list);
        self.datagrams.waits_for(list);
    }
}

/// Frames to and from the stack.
#[derive(Default)]
struct Wire {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl phy::Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Slot<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received, Slot<'_>)> {
        let frame = self.incoming.pop_front()?;
        Some((Received(frame), Slot(&mut self.outgoing)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Slot<'_>> {
        Some(Slot(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

struct Slot<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Slot<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        self.0.push_back(frame);
        result
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a guest may send: anything, or something that begins as a packet for this host does.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let noise = || proptest::collection::vec(any::<u8>(), 0..120);
        let head = |kind: [u8; 2]| [&MAC[..], &[0x52, 0x54, 0, 0xb0, 7, 1], &kind].concat();
        let with = |head: Vec<u8>| noise().prop_map(move |rest| [&head[..], &rest].concat());
        let ipv4 = (prop_oneof![Just(1u8), Just(6), Just(17)], noise()).prop_map(move |(protocol, rest)| {
            let addresses = [10, 77, 0, 50, 10, 77, 0, 1];
            let length = u16::try_from(20 + rest.len()).unwrap().to_be_bytes();
            let ip = [&[0x45, 0], &length[..], &[0, 0, 0, 0, 64, protocol, 0, 0], &addresses].concat();
            [&head([8, 0])[..], &ip, &rest].concat()
        });
        prop_oneof![noise(), with(head([8, 6])), with(head([8, 0])), ipv4]
    }

    proptest! {
        #[test]
        fn no_frame_brings_the_host_down(frames in proptest::collection::vec(frames(), 1..20)) {
            let mut host = Host::new(&Door::new().unwrap()).unwrap();
            frames.iter().for_each(|frame| host.receive(frame));
            host.step();
            // Who has 10.77.0.1? Tell 10.77.0.60 (RFC 826).
            let me = [0x52, 0x54, 0, 0xb0, 7, 9];
            let head = [&[0xff; 6][..], &me, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
            host.receive(&[&head[..], &me, &[10, 77, 0, 60], &[0; 6], &[10, 77, 0, 1]].concat());
            prop_assert!(host.step().iter().any(|frame| frame.starts_with(&me)));
        }
    }
}
