//! Datagrams of the machines: DHCP by unix sockets, all else (TFTP) from a socket for each machine's port.
//!
//! They pass the stack by: it would want to know beforehand from which port the server answers, which for
//! TFTP nobody can, and its ARP would let a machine that is gone hold up all others.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::address;
use super::datagram::{self, Datagram, MAX_PAYLOAD, Mac};
use super::door::{Door, twin};

/// The ports of DHCP and of PXE's second round.
const DHCP: [u16; 2] = [67, 4011];
/// Ports of machines that are remembered; the one that was silent for longest makes room.
const MAX_FLOWS: usize = 1024;
/// The answer to a question that is older is lost.
const FLOW_TIME: Duration = Duration::from_secs(60);
/// Address and port in front of a datagram of DHCP.
const PREFIX: usize = 6;

/// All of them.
pub(super) struct Datagrams {
    door: Door,
    dhcp: Vec<(u16, UnixDatagram)>,
    flows: HashMap<SocketAddrV4, Flow>,
}

/// A machine's port and the socket that stands for it.
struct Flow {
    socket: UdpSocket,
    mac: Mac,
    last: Instant,
    /// What the machine thinks the server's ports are, by what they are.
    ports: HashMap<u16, u16>,
}

impl Datagrams {
    pub(super) fn new(door: Door) -> io::Result<Self> {
        let bind = |port| {
            let socket = UnixDatagram::bind(door.directory().join(format!("gateway.{port}")))?;
            socket.set_nonblocking(true)?;
            Ok((port, socket))
        };
        let dhcp = DHCP.into_iter().map(bind).collect::<io::Result<_>>()?;
        Ok(Self { door, dhcp, flows: HashMap::new() })
    }

    /// Brings the datagram in a frame to the server; false when there is none in it.
    pub(super) fn take(&mut self, frame: &[u8]) -> bool {
        let Some(datagram) = datagram::read(frame) else { return false };
        // A datagram that cannot be brought on is lost, as everywhere.
        if let Err(error) = self.bring(&datagram) {
            tracing::debug!("a datagram from {} to {}: {error}", datagram.from, datagram.to);
        }
        true
    }

    fn bring(&mut self, datagram: &Datagram<'_>) -> io::Result<()> {
        let port = datagram.to.port();
        if let Some((_, socket)) = self.dhcp.iter().find(|(number, _)| *number == port) {
            let prefix = [&datagram.from.ip().octets()[..], &datagram.from.port().to_be_bytes()].concat();
            let server = self.door.directory().join(format!("server.{port}"));
            return socket.send_to(&[&prefix, datagram.payload].concat(), server).map(drop);
        }
        if *datagram.to.ip() != address() {
            return Ok(());
        }
        let server = self.door.udp(port)?;
        let flow = self.flow(datagram)?;
        flow.ports.insert(server.port(), port);
        flow.last = Instant::now();
        flow.socket.send_to(datagram.payload, server).map(drop)
    }

    fn flow(&mut self, datagram: &Datagram<'_>) -> io::Result<&mut Flow> {
        let machine = datagram.from;
        if !self.flows.contains_key(&machine) {
            self.flows.retain(|_, flow| flow.last.elapsed() < FLOW_TIME);
            if self.flows.len() >= MAX_FLOWS
                && let Some(oldest) = self.flows.iter().min_by_key(|(_, flow)| flow.last).map(|(key, _)| *key)
            {
                self.flows.remove(&oldest);
            }
            let socket = UdpSocket::bind(SocketAddrV4::new(twin(*machine.ip()), 0))?;
            socket.set_nonblocking(true)?;
            let flow = Flow { socket, mac: datagram.mac, last: Instant::now(), ports: HashMap::new() };
            self.flows.insert(machine, flow);
        }
        self.flows.get_mut(&machine).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Puts what the server has sent into frames.
    pub(super) fn step(&mut self, frames: &mut VecDeque<Vec<u8>>) {
        let mut buffer = [0; PREFIX + MAX_PAYLOAD + 1];
        for (port, server) in &self.dhcp {
            while let Ok(length) = server.recv(&mut buffer) {
                let taken = buffer.get(..length).and_then(|bytes| bytes.split_first_chunk::<PREFIX>());
                let Some(([a, b, c, d, high, low], payload)) = taken else { continue };
                let to = SocketAddrV4::new(Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*high, *low]));
                // The machine may have no address that ARP could find.
                let datagram = Datagram {
                    mac: datagram::EVERYBODY,
                    from: SocketAddrV4::new(address(), *port),
                    to,
                    payload,
                };
                frames.extend(datagram::write(&datagram));
            }
        }
        for (machine, flow) in &mut self.flows {
            while let Some((length, port)) = answer(&flow.socket, &mut buffer) {
                flow.last = Instant::now();
                let port = flow.ports.get(&port).copied().unwrap_or(port);
                let payload = buffer.get(..length).unwrap_or_default();
                let from = SocketAddrV4::new(address(), port);
                frames.extend(datagram::write(&Datagram { mac: flow.mac, from, to: *machine, payload }));
            }
        }
    }

    /// Adds what poll(2) shall tell us of.
    pub(super) fn waits_for<'a>(&'a self, list: &mut Vec<PollFd<'a>>) {
        let dhcp = self.dhcp.iter().map(|(_, socket)| socket.as_fd());
        let all = dhcp.chain(self.flows.values().map(|flow| flow.socket.as_fd()));
        list.extend(all.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)));
    }
}

/// The next datagram from the server, and from which of its ports.
fn answer(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, u16)> {
    loop {
        match socket.recv_from(buffer) {
            Ok((length, SocketAddr::V4(from))) if *from.ip() == twin(address()) => {
                return Some((length, from.port()));
            }
            // Somebody else on this host, or an ICMP error of an earlier datagram.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(_) => return None,
        }
    }
}
