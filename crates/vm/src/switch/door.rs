//! How the switch's host and a `bootwright serve --behind DIRECTORY` find each other. Neither needs a
//! privilege, nor an interface.
//!
//! ```text
//! DIRECTORY/tcp.80  udp.69       the server writes there which port of its own address stands for that one
//! DIRECTORY/server.67  .4011     its unix datagram sockets for DHCP
//! DIRECTORY/gateway.67 .4011     ours
//! DIRECTORY/cable                where machines plug in; not the server's business
//! ```
//!
//! - Every address of the machines' network has a *twin* in 127.0.0.0/8, with another first byte: a machine
//!   at 10.77.0.50 is 127.77.0.50 to the server, which listens on 127.77.0.1 and thinks of 10.77.0.1.
//! - A datagram of DHCP carries the machine's address and port in front, 4 and 2 bytes, big endian, both
//!   ways: broadcast and a machine without an address have no twin.
//! - A server that is started again writes the files anew; they are read for every connection.
//!
//! Other users of this host reach 127.0.0.0/8 as well: what is served behind a switch can be read by all of
//! them.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::address;

/// The directory of one switch.
#[derive(Debug, Clone)]
pub(super) struct Door {
    directory: Arc<tempfile::TempDir>,
}

impl Door {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { directory: Arc::new(tempfile::tempdir()?) })
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn cable(&self) -> PathBuf {
        self.directory().join("cable")
    }

    /// Where the server takes connections for `port` of [`address`].
    pub(super) fn tcp(&self, port: u16) -> io::Result<SocketAddrV4> {
        self.port("tcp", port)
    }

    /// Where the server takes datagrams for `port`. Ports that it took itself stand for themselves.
    pub(super) fn udp(&self, port: u16) -> io::Result<SocketAddrV4> {
        match self.port("udp", port) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(SocketAddrV4::new(twin(address()), port))
            }
            found => found,
        }
    }

    fn port(&self, protocol: &str, port: u16) -> io::Result<SocketAddrV4> {
        let text = std::fs::read_to_string(self.directory().join(format!("{protocol}.{port}")))?;
        let port = text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(SocketAddrV4::new(twin(address()), port))
    }
}

/// The address that stands for `address` on this host.
pub(super) fn twin(address: Ipv4Addr) -> Ipv4Addr {
    let [_, b, c, d] = address.octets();
    Ipv4Addr::new(127, b, c, d)
}
