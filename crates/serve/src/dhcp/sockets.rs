//! Sockets on ports 67 and 4011 of one interface.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use bootwright_netboot::dhcp::server::Mode;
use bootwright_netboot::dhcp::{PXE_PORT, SERVER_PORT};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Bytes that wait in the socket while leases are written: some thousand packets. The kernel may grant
/// less.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The sockets of a server. Binding them needs privileges, using them does not.
#[derive(Debug)]
pub struct Sockets {
    pub(super) server: UdpSocket,
    pub(super) pxe: UdpSocket,
    heard: Heard,
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
        Ok(Self { server, pxe, heard })
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
