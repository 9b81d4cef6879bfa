//! Sockets on ports 67 and 4011 of one interface.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use bootwright_netboot::dhcp::server::Mode;
use bootwright_netboot::dhcp::{PXE_PORT, SERVER_PORT};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::gateway::Datagrams;

/// Bytes that wait in the socket while leases are written: some thousand packets. The kernel may grant
/// less.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The sockets of a server. Binding them needs privileges, using them does not.
#[derive(Debug)]
pub struct Sockets {
    pub(super) server: Channel,
    pub(super) pxe: Channel,
    heard: Heard,
}

/// One port.
#[derive(Debug)]
pub(super) enum Channel {
    /// A socket of this host.
    Udp(UdpSocket),
    /// A gateway's.
    Gateway(Datagrams),
}

impl Channel {
    pub(super) fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Udp(socket) => socket.recv_from(buffer),
            Self::Gateway(datagrams) => datagrams.recv_from(buffer),
        }
    }

    pub(super) fn send_to(&self, message: &[u8], to: SocketAddrV4) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.send_to(message, to),
            Self::Gateway(datagrams) => datagrams.send_to(message, to),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Gateway(datagrams) => datagrams.0.as_fd(),
        }
    }
}

/// What reaches port 67.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Broadcast, and unicast from relays and machines that renew.
    Everything,
    /// Broadcast only: another DHCP server on this host has the port, and unicast is for it.
    BroadcastOnly,
}

/// Why a port cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Not allowed.
    #[error("UDP port {port} needs privileges: run as root or with CAP_NET_BIND_SERVICE and CAP_NET_RAW")]
    Privilege {
        /// The port.
        port: u16,
    },
    /// Somebody else has it.
    #[error("UDP port {port} is taken by another program on this host ({hint})")]
    Taken {
        /// The port.
        port: u16,
        /// What to do.
        hint: &'static str,
    },
    /// No such interface.
    #[error("there is no network interface {0:?}")]
    NoInterface(String),
    /// Anything else.
    #[error("cannot bind UDP port {port} on {interface}")]
    Io {
        /// The port.
        port: u16,
        /// The interface.
        interface: String,
        /// Why.
        source: io::Error,
    },
}

impl Sockets {
    /// Binds both ports on `interface`. A proxy may share port 67 with a DHCP server on the same host; a
    /// full server may not.
    pub fn bind(interface: &str, mode: &Mode) -> Result<Self, BindError> {
        let any = Ipv4Addr::UNSPECIFIED;
        let exclusive = udp(interface, any, SERVER_PORT, Share::Nothing);
        let (server, heard) = match (exclusive, mode) {
            (Ok(socket), Mode::Full(_)) => (socket, Heard::Everything),
            (Ok(socket), Mode::Proxy) => {
                // Bound anew so that a DHCP server that is started later gets the port as well.
                drop(socket);
                (udp(interface, any, SERVER_PORT, Share::Port)?, Heard::Everything)
            }
            (Err(BindError::Taken { .. }), Mode::Proxy) => {
                (udp(interface, Ipv4Addr::BROADCAST, SERVER_PORT, Share::Port)?, Heard::BroadcastOnly)
            }
            (Err(error), _) => return Err(error),
        };
        let pxe = udp(interface, any, PXE_PORT, Share::Nothing)?;
        Ok(Self { server: Channel::Udp(server), pxe: Channel::Udp(pxe), heard })
    }

    /// Both ports of a gateway.
    pub fn behind(server: Datagrams, pxe: Datagrams) -> Self {
        Self { server: Channel::Gateway(server), pxe: Channel::Gateway(pxe), heard: Heard::Everything }
    }

    /// What reaches port 67.
    pub fn heard(&self) -> Heard {
        self.heard
    }
}

/// Whether a port may have several sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    Nothing,
    Port,
}

/// A socket that does not block, may broadcast, and hears one interface only.
pub(super) fn udp(
    interface: &str,
    address: Ipv4Addr,
    port: u16,
    share: Share,
) -> Result<UdpSocket, BindError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied => BindError::Privilege { port },
        io::ErrorKind::AddrInUse => BindError::Taken { port, hint: hint(port) },
        _ if source.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {
            BindError::NoInterface(interface.to_owned())
        }
        _ => BindError::Io { port, interface: interface.to_owned(), source },
    };
    let make = || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_broadcast(true)?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(share == Share::Port)?;
        // Beyond the system's limit it takes CAP_NET_ADMIN; without it the kernel grants what it may.
        if set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        socket.bind(&SockAddr::from(SocketAddrV4::new(address, port)))?;
        Ok(UdpSocket::from(socket))
    };
    make().map_err(failed)
}

fn hint(port: u16) -> &'static str {
    match port {
        SERVER_PORT => "a DHCP server: stop it, or run beside it with --dhcp proxy",
        PXE_PORT => "another proxyDHCP server: stop it",
        _ => "find it with ss -ulnp",
    }
}
