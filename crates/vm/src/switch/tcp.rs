//! TCP connections of the machines, each carried on over a socket of this host.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket};
use socket2::{Domain, Protocol, Type};

use super::address;
use super::door::{Door, twin};

/// Connections at a time; a machine that opens more waits. It bounds memory and descriptors.
const MAX_CONNECTIONS: usize = 512;
/// Bytes from a machine that the server has not taken yet: requests and reports are small.
const FROM_MACHINE: usize = 32 << 10;
/// Bytes to a machine that it has not confirmed: more than fits into most firmware's window.
const TO_MACHINE: usize = 256 << 10;
/// A machine that confirms nothing for so long is gone: a guest under TCG can stand still for seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// All of them.
pub(super) struct Connections {
    door: Door,
    list: Vec<Connection>,
}

/// One connection and both its ends.
struct Connection {
    machine: SocketAddrV4,
    port: u16,
    socket: SocketHandle,
    server: TcpStream,
    server_ended: bool,
    machine_ended: bool,
}

impl Connections {
    pub(super) fn new(door: Door) -> Self {
        Self { door, list: Vec::new() }
    }

    /// Looks at a frame before the stack does: one that opens a connection finds a socket that listens, when
    /// the server takes the connection. Else the stack refuses it by itself.
    pub(super) fn expect(&mut self, frame: &[u8], sockets: &mut SocketSet<'static>) {
        let Some((machine, port)) = opens(frame) else { return };
        let known = |one: &Connection| one.machine == machine && one.port == port;
        if self.list.len() >= MAX_CONNECTIONS || self.list.iter().any(known) {
            return;
        }
        let server = match self.door.tcp(port).and_then(|server| connect(*machine.ip(), server)) {
            Ok(server) => server,
            Err(error) => {
                tracing::debug!("{machine} asks for port {port}: {error}");
                return;
            }
        };
        let buffer = |size| SocketBuffer::new(vec![0; size]);
        let mut socket = Socket::new(buffer(FROM_MACHINE), buffer(TO_MACHINE));
        socket.set_timeout(Some(PATIENCE));
        // The server has its own mind about small writes, and everybody is a process away.
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        if socket.listen((address(), port)).is_ok() {
            let socket = sockets.add(socket);
            let connection =
                Connection { machine, port, socket, server, server_ended: false, machine_ended: false };
            self.list.push(connection);
        }
    }

    /// Moves bytes both ways, and ends what has ended.
    pub(super) fn step(&mut self, sockets: &mut SocketSet<'static>) {
        self.list.retain_mut(|connection| {
            let socket = sockets.get_mut::<Socket<'static>>(connection.socket);
            if let Err(error) = connection.carry(socket) {
                tracing::debug!("{} and port {}: {error}", connection.machine, connection.port);
                socket.abort();
                // It has a reset to send, and is gone the next time.
                return true;
            }
            // One that listens still: the stack has seen the frame that it was made for, and did not like it.
            let lives = !matches!(socket.state(), State::Closed | State::Listen);
            if !lives {
                sockets.remove(connection.socket);
            }
            lives
        });
    }

    /// Adds what poll(2) shall tell us of.
    pub(super) fn waits_for<'a>(&'a self, sockets: &SocketSet<'static>, list: &mut Vec<PollFd<'a>>) {
        for connection in &self.list {
            let socket = sockets.get::<Socket<'static>>(connection.socket);
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, socket.can_send() && !connection.server_ended);
            flags.set(PollFlags::OUT, socket.can_recv());
            if !flags.is_empty() {
                list.push(PollFd::from_borrowed_fd(connection.server.as_fd(), flags));
            }
        }
    }
}

impl Connection {
    fn carry(&mut self, socket: &mut Socket<'static>) -> io::Result<()> {
        if matches!(socket.state(), State::Listen | State::SynReceived) {
            return Ok(());
        }
        while socket.can_recv() {
            let server = &mut self.server;
            let written = socket.recv(|data| as_progress(server.write(data))).map_err(io::Error::other)??;
            if written == 0 {
                break;
            }
        }
        if !socket.may_recv() && !self.machine_ended {
            self.machine_ended = true;
            // It may have hung up altogether.
            let _ = self.server.shutdown(Shutdown::Write);
        }
        while socket.can_send() && !self.server_ended {
            let (server, mut ended) = (&mut self.server, false);
            let read = socket.send(|room| {
                let read = server.read(room);
                ended = matches!(read, Ok(0)) && !room.is_empty();
                as_progress(read)
            });
            if read.map_err(io::Error::other)?? == 0 {
                self.server_ended = ended;
                break;
            }
        }
        if self.server_ended {
            socket.close();
        }
        Ok(())
    }
}

/// What smoltcp wants to know, and we: bytes moved, none when the other end is not ready.
fn as_progress(result: io::Result<usize>) -> (usize, io::Result<usize>) {
    match result {
        Ok(length) => (length, Ok(length)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => (0, Ok(0)),
        Err(error) => (0, Err(error)),
    }
}

/// Who opens a connection to which port of ours, if that is what the frame does.
fn opens(frame: &[u8]) -> Option<(SocketAddrV4, u16)> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    if packet.next_header() != IpProtocol::Tcp || packet.dst_addr() != address() || packet.frag_offset() != 0
    {
        return None;
    }
    let segment = TcpPacket::new_checked(packet.payload()).ok()?;
    let sound = packet.verify_checksum()
        && segment.verify_checksum(&packet.src_addr().into(), &packet.dst_addr().into());
    let opens = sound && segment.syn() && !segment.ack() && segment.dst_port() != 0;
    opens.then(|| (SocketAddrV4::new(packet.src_addr(), segment.src_port()), segment.dst_port()))
}

/// A connection to the server from the machine's twin. On this host it stands, or is refused, at once.
fn connect(machine: Ipv4Addr, server: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddrV4::new(twin(machine), 0).into())?;
    socket.connect(&server.into())?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}
