//! Every port that the server listens on, bound before privileges go.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use bootwright_netboot::dhcp::server::Mode;
use bootwright_netboot::tftp::PORT as TFTP_PORT;

use crate::gateway::{self, Gateway};
use crate::interface::Interface;
use crate::{dhcp, http, tftp};

/// The bound ports.
pub struct Sockets {
    /// HTTP: on the IPv4 address, then on those of IPv6.
    pub http: Vec<TcpListener>,
    /// Addresses of IPv6 where it is not to be had, and why.
    pub no_http: Vec<(Ipv6Addr, io::Error)>,
    /// TFTP, unless DHCP is off and the port is not to be had.
    pub tftp: Option<tftp::Socket>,
    /// Why it is not to be had.
    pub no_tftp: Option<tftp::BindError>,
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
    /// A gateway's directory.
    #[error("meeting the gateway")]
    Gateway(#[source] io::Error),
}

/// Binds what a gateway needs.
pub fn behind(gateway: &Gateway, port: u16, mode: Option<&Mode>) -> Result<Sockets, BindError> {
    let gateway::Sockets { http, tftp, dhcp } = gateway.bind(port, mode).map_err(BindError::Gateway)?;
    Ok(Sockets { http: vec![http], no_http: Vec::new(), tftp: Some(tftp), no_tftp: None, dhcp })
}

/// Binds HTTP, and DHCP with TFTP unless `mode` is `None`.
pub fn bind(interface: &Interface, port: u16, mode: Option<&Mode>) -> Result<Sockets, BindError> {
    let address = interface.address;
    let first =
        http::Server::bind(SocketAddr::from((address, port))).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::HttpTaken { address, port },
            io::ErrorKind::PermissionDenied => BindError::HttpPrivilege(port),
            _ => BindError::Http { address, port, source },
        })?;
    let (mut http, mut no_http) = (vec![first], Vec::new());
    for address in &interface.v6 {
        match http::Server::bind(SocketAddr::from((*address, port))) {
            Ok(listener) => http.push(listener),
            Err(error) => no_http.push((*address, error)),
        }
    }
    let tftp = tftp::Socket::bind(address, TFTP_PORT);
    let (tftp, no_tftp, dhcp) = match (mode, tftp) {
        (Some(mode), Ok(tftp)) => (Some(tftp), None, Some(dhcp::Sockets::bind(&interface.name, mode)?)),
        (Some(_), Err(error)) => return Err(error.into()),
        // Another DHCP server may send machines to our TFTP port, or to its own.
        (None, Ok(tftp)) => (Some(tftp), None, None),
        (None, Err(error)) => (None, Some(error), None),
    };
    Ok(Sockets { http, no_http, tftp, no_tftp, dhcp })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_on_one_port_is_told_who_to_look_for() {
        let first = http::Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let port = first.local_addr().unwrap().port();
        let interface = Interface { name: "lo".into(), address: Ipv4Addr::LOCALHOST, prefix: 8, v6: vec![] };
        let error = bind(&interface, port, None).err().unwrap();
        assert!(matches!(error, BindError::HttpTaken { .. }));
        assert!(error.to_string().contains(&format!("ss -ltnp 'sport = :{port}'")), "{error}");
    }
}
