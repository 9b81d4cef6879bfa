//! A network that no interface of this host is on: that of `bootwright vm` where namespaces are closed.
//!
//! A gateway with a TCP/IP stack of its own (`vm`'s switch) brings what machines send to us. It and we
//! meet in a directory:
//!
//! ```text
//! tcp.80  udp.69        we write there which port of our twin stands for that one
//! server.67   .4011     our unix datagram sockets for DHCP
//! gateway.67  .4011     the gateway's
//! ```
//!
//! - Every address of that network has a *twin* in 127.0.0.0/8, with another first byte: we are 10.77.0.1
//!   and listen on 127.77.0.1, and a machine at 10.77.0.50 comes from 127.77.0.50.
//! - A datagram of DHCP carries the machine's address and port in front, 4 and 2 bytes, big endian, both
//!   ways: broadcast and a machine without an address have no twin.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use bootwright_netboot::dhcp::server::Mode;
use bootwright_netboot::dhcp::{PXE_PORT, SERVER_PORT};
use bootwright_netboot::tftp::PORT as TFTP_PORT;

use crate::interface::Interface;
use crate::{dhcp, http, tftp};

/// Bits of the network's mask.
const PREFIX: u8 = 24;
/// Bytes of address and port in front of a datagram.
const HEADER: usize = 6;

/// The directory, and our address on the other side.
#[derive(Debug, Clone)]
pub struct Gateway {
    directory: PathBuf,
    address: Ipv4Addr,
}

/// Sockets on this side.
pub struct Sockets {
    /// HTTP.
    pub http: TcpListener,
    /// TFTP.
    pub tftp: tftp::Socket,
    /// DHCP, unless it is off.
    pub dhcp: Option<dhcp::Sockets>,
}

impl Gateway {
    /// The gateway that meets us in `directory`; `address` is ours in its network.
    pub fn new(directory: &Path, address: Ipv4Addr) -> Self {
        Self { directory: directory.to_owned(), address }
    }

    /// The interface as it looks from the other side.
    pub fn interface(&self) -> Interface {
        Interface { name: "a switch".to_owned(), address: self.address, prefix: PREFIX, v6: Vec::new() }
    }

    /// Binds everything; `port` is that of HTTP.
    pub fn bind(&self, port: u16, mode: Option<&Mode>) -> io::Result<Sockets> {
        let here = twin(self.address);
        let http = http::Server::bind(SocketAddr::from((here, 0)))?;
        self.announce("tcp", port, http.local_addr()?)?;
        let tftp = tftp::Socket::bind(here, 0).map_err(io::Error::other)?;
        self.announce("udp", TFTP_PORT, tftp.address()?)?;
        let pair = || Ok::<_, io::Error>((self.datagrams(SERVER_PORT)?, self.datagrams(PXE_PORT)?));
        let dhcp = mode.map(|_| pair()).transpose()?.map(|(server, pxe)| dhcp::Sockets::behind(server, pxe));
        Ok(Sockets { http, tftp, dhcp })
    }

    fn announce(&self, protocol: &str, port: u16, here: SocketAddr) -> io::Result<()> {
        let file = self.directory.join(format!("{protocol}.{port}"));
        let new = self.directory.join(format!("{protocol}.{port}.new"));
        std::fs::write(&new, here.port().to_string())?;
        std::fs::rename(new, file)
    }

    fn datagrams(&self, port: u16) -> io::Result<Datagrams> {
        let ours = self.directory.join(format!("server.{port}"));
        // One that an earlier server has left would be in the way.
        if let Err(error) = std::fs::remove_file(&ours)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let socket = UnixDatagram::bind(ours)?;
        socket.connect(self.directory.join(format!("gateway.{port}")))?;
        socket.set_nonblocking(true)?;
        Ok(Datagrams(socket))
    }
}

/// The address on this host that stands for `address`.
fn twin(address: Ipv4Addr) -> Ipv4Addr {
    let [_, b, c, d] = address.octets();
    Ipv4Addr::new(127, b, c, d)
}

/// Who a connection or a datagram really comes from.
#[derive(Debug, Clone, Copy, Default)]
pub enum Peers {
    /// From where it says.
    #[default]
    Themselves,
    /// From the twin's original, in the network of this address of ours.
    Twins(Ipv4Addr),
}

impl Peers {
    /// The machine's address.
    pub fn real(self, peer: IpAddr) -> IpAddr {
        match (self, peer) {
            (Self::Twins(ours), IpAddr::V4(twin)) => {
                let ([first, ..], [_, b, c, d]) = (ours.octets(), twin.octets());
                IpAddr::from([first, b, c, d])
            }
            _ => peer,
        }
    }
}

/// One of the gateway's ports of DHCP.
#[derive(Debug)]
pub struct Datagrams(pub(crate) UnixDatagram);

impl Datagrams {
    /// The next one and whom it is from; one without a whole header is an error.
    pub(crate) fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut datagram = vec![0; HEADER + buffer.len()];
        let length = self.0.recv(&mut datagram)?;
        let whole = datagram.get(..length).and_then(|bytes| bytes.split_first_chunk::<HEADER>());
        let ([a, b, c, d, high, low], message) = whole.ok_or(io::ErrorKind::InvalidData)?;
        buffer.get_mut(..message.len()).ok_or(io::ErrorKind::InvalidData)?.copy_from_slice(message);
        let from = SocketAddrV4::new(Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*high, *low]));
        Ok((message.len(), from.into()))
    }

    /// Sends one to a machine.
    pub(crate) fn send_to(&self, message: &[u8], to: SocketAddrV4) -> io::Result<usize> {
        let datagram = [&to.ip().octets()[..], &to.port().to_be_bytes(), message].concat();
        self.0.send(&datagram).map(|_| message.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_keeps_whom_it_is_from_and_to() {
        let place = tempfile::tempdir().unwrap();
        let gateway = UnixDatagram::bind(place.path().join("gateway.67")).unwrap();
        let ours = Gateway::new(place.path(), Ipv4Addr::new(10, 77, 0, 1));
        let first = ours.datagrams(67).unwrap();
        drop(first);
        let server = ours.datagrams(67).unwrap();
        gateway.send_to(b"\0\0\0\0\0\x44hello", place.path().join("server.67")).unwrap();
        let mut buffer = [0; 16];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"hello"[..], "0.0.0.0:68".parse().unwrap()));
        gateway.send_to(b"\0\0\0", place.path().join("server.67")).unwrap();
        assert!(server.recv_from(&mut buffer).is_err());
        server.send_to(b"offer", "255.255.255.255:68".parse().unwrap()).unwrap();
        let length = gateway.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"\xff\xff\xff\xff\0\x44offer");
    }

    #[test]
    fn a_twin_is_told_by_its_machines_address() {
        let peers = Peers::Twins(Ipv4Addr::new(10, 77, 0, 1));
        let real = |text: &str| peers.real(text.parse().unwrap()).to_string();
        assert_eq!(real("127.77.0.50"), "10.77.0.50");
        assert_eq!(Peers::Themselves.real("127.0.0.1".parse().unwrap()).to_string(), "127.0.0.1");
    }
}
