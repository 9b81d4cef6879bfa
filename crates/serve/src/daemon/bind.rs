//! Every port that the server listens on, bound before privileges go.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use bootwright_netboot::dhcp::server::Mode;
use bootwright_netboot::tftp::PORT as TFTP_PORT;

use crate::interface::Interface;
use crate::{dhcp, http, tftp};

/// The bound ports.
pub struct Sockets {
    /// HTTP.
    pub http: TcpListener,
    /// TFTP, unless DHCP is off and the port is not to be had.
    pub tftp: Option<tftp::Socket>,
    /// DHCP, unless it is off.
    pub dhcp: Option<dhcp::Sockets>,
}

/// Why a port cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// HTTP: somebody else has it.
    #[error(
        "TCP port {port} of {address} is taken by another program (ss -ltnp 'sport = :{port}' names it): \
         stop that, or take another port with --http-port"
    )]
    HttpTaken {
        /// Our address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// HTTP: not allowed.
    #[error(
        "TCP port {0} needs privileges: run as root or with CAP_NET_BIND_SERVICE, or use --http-port 8080"
    )]
    HttpPrivilege(u16),
    /// HTTP: anything else.
    #[error("cannot bind TCP port {port} of {address}")]
    Http {
        /// Our address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// TFTP.
    #[error(transparent)]
    Tftp(#[from] tftp::BindError),
    /// DHCP.
    #[error(transparent)]
    Dhcp(#[from] dhcp::BindError),
}

/// Binds HTTP, and DHCP with TFTP unless `mode` is `None`.
pub fn bind(interface: &Interface, port: u16, mode: Option<&Mode>) -> Result<Sockets, BindError> {
    let address = interface.address;
    let http =
        http::Server::bind(SocketAddr::from((address, port))).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::HttpTaken { address, port },
            io::ErrorKind::PermissionDenied => BindError::HttpPrivilege(port),
            _ => BindError::Http { address, port, source },
        })?;
    let Some(mode) = mode else { return Ok(Sockets { http, tftp: without_dhcp(address)?, dhcp: None }) };
    let tftp = tftp::Socket::bind(address, TFTP_PORT)?;
    let dhcp = dhcp::Sockets::bind(&interface.name, mode)?;
    Ok(Sockets { http, tftp: Some(tftp), dhcp: Some(dhcp) })
}

/// Another DHCP server may send machines to our TFTP port; an ordinary user serves HTTP alone.
fn without_dhcp(address: Ipv4Addr) -> Result<Option<tftp::Socket>, BindError> {
    match tftp::Socket::bind(address, TFTP_PORT) {
        Ok(socket) => Ok(Some(socket)),
        Err(tftp::BindError::Privilege { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
