//! The socket under [`bootwright_netboot::dhcp::client`].

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use bootwright_netboot::dhcp::client::{Client, Config, Event, Lease, Step};
use bootwright_netboot::dhcp::{CLIENT_PORT, SERVER_PORT};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use bootwright_plan::network::{Address, Configuration, Route};

/// No DHCP message is longer: it comes in one Ethernet frame, jumbo frames included.
const MAX_PACKET: usize = 9216;

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum DhcpError {
    /// No socket on the interface.
    #[error("opening a DHCP socket on {interface}")]
    Socket {
        /// Its name.
        interface: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody answered.
    #[error("no DHCP server answered: {sent} messages sent in {} s{}", .waited.as_secs(), refused_by(.refusals))]
    NoAnswer {
        /// Messages sent.
        sent: u32,
        /// For so long.
        waited: Duration,
        /// What servers said that refused.
        refusals: Vec<String>,
    },
}

pub(super) fn refused_by(refusals: &[String]) -> String {
    if refusals.is_empty() { String::new() } else { format!("; refusals: {}", refusals.join(", ")) }
}

/// A lease and what keeps it.
pub struct Session {
    socket: UdpSocket,
    client: Client,
    since: Instant,
}

impl Session {
    /// A client on the interface of that name.
    pub fn open(interface: &str, config: Config) -> Result<Self, DhcpError> {
        let socket = open_socket(interface)
            .map_err(|source| DhcpError::Socket { interface: interface.to_owned(), source })?;
        Ok(Self { socket, client: Client::new(config, Duration::ZERO), since: Instant::now() })
    }

    /// Asks until there is a lease or `limit` is over.
    pub async fn acquire(&mut self, limit: Duration) -> Result<Lease, DhcpError> {
        let (mut sent, mut refusals) = (0, Vec::new());
        let waited = self.since.elapsed() + limit;
        while self.since.elapsed() < waited {
            let event = match self.client.poll(self.since.elapsed()) {
                Step::Send { packet, to } => {
                    sent += 1;
                    self.send(&packet, to).await;
                    continue;
                }
                Step::WaitUntil(time) => self.receive(time.min(waited)).await,
                Step::Expired => continue,
            };
            match event {
                Some(Event::Bound(lease) | Event::Renewed(lease)) => return Ok(lease),
                Some(Event::Refused(words)) if refusals.len() < 8 => {
                    refusals.push(words.unwrap_or_else(|| "NAK".to_owned()));
                }
                _ => {}
            }
        }
        Err(DhcpError::NoAnswer { sent, waited: limit, refusals })
    }

    /// Keeps the lease for as long as the agent runs: a slow download may take longer than it lasts.
    pub async fn keep(mut self) {
        loop {
            match self.client.poll(self.since.elapsed()) {
                Step::Send { packet, to } => self.send(&packet, to).await,
                Step::WaitUntil(time) => {
                    let event = self.receive(time).await;
                    debug!("DHCP: {event:?}");
                }
                Step::Expired => warn!("the DHCP lease has run out and nobody renewed it; going on with it"),
            }
        }
    }

    async fn send(&self, packet: &[u8], to: Ipv4Addr) {
        if let Err(error) = self.socket.send_to(packet, SocketAddrV4::new(to, SERVER_PORT)).await {
            debug!("DHCP to {to}: {error}");
        }
    }

    async fn receive(&mut self, until: Duration) -> Option<Event> {
        let mut buffer = vec![0; MAX_PACKET];
        let wait = until.saturating_sub(self.since.elapsed());
        match timeout(wait, self.socket.recv_from(&mut buffer)).await {
            Ok(Ok((length, _))) => self.client.receive(self.since.elapsed(), buffer.get(..length)?),
            Ok(Err(error)) => {
                // ENETDOWN while the link flaps: asked again, but not in a busy loop.
                debug!("DHCP: {error}");
                sleep(wait.min(Duration::from_millis(200))).await;
                None
            }
            Err(_) => None,
        }
    }
}

fn open_socket(interface: &str) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    // Several interfaces ask at the same time, none of them has an address or a route yet.
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT).into())?;
    UdpSocket::from_std(socket.into())
}

/// What a lease configures. RFC 3442: with option 121 the router of option 3 does not count, and the
/// gateway 0.0.0.0 says that the destination is on the link.
pub fn configuration(lease: &Lease) -> Configuration {
    let classless = lease.routes.iter().map(|&(destination, prefix, gateway)| Route {
        destination: IpAddr::V4(destination),
        prefix,
        gateway: Some(IpAddr::V4(gateway)).filter(|gateway| !gateway.is_unspecified()),
    });
    let routes = match lease.routes.is_empty() {
        true => lease.router.map(|router| Route::default_via(router.into())).into_iter().collect(),
        false => classless.collect(),
    };
    Configuration {
        addresses: vec![Address { address: lease.address.into(), prefix: lease.prefix }],
        routes,
        dns: lease.dns.iter().copied().map(IpAddr::V4).collect(),
        search: lease.domain.iter().flat_map(|domain| domain.split_whitespace()).map(str::to_owned).collect(),
        ntp: lease.ntp.iter().copied().map(IpAddr::V4).collect(),
        mtu: lease.mtu.map(u32::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix: 24,
            router: Some(Ipv4Addr::new(10, 0, 2, 2)),
            routes: vec![],
            dns: vec![],
            domain: Some("lab.example".into()),
            host_name: None,
            ntp: vec![],
            mtu: Some(1400),
            server: Ipv4Addr::new(10, 0, 2, 2),
            lease_time: Duration::from_secs(3600),
            renewal: Duration::from_secs(1800),
            rebinding: Duration::from_secs(3150),
            image: None,
        }
    }

    #[test]
    fn the_router_counts_only_without_classless_routes() {
        let plain = configuration(&lease());
        assert_eq!(plain.routes, [Route::default_via([10, 0, 2, 2].into())]);
        let network = Ipv4Addr::new(10, 9, 0, 0);
        let classless = Lease { routes: vec![(network, 16, Ipv4Addr::UNSPECIFIED)], ..lease() };
        let routes = configuration(&classless).routes;
        assert_eq!(routes, [Route { destination: network.into(), prefix: 16, gateway: None }]);
    }

    #[test]
    fn silence_is_told_with_what_was_tried() {
        let error = DhcpError::NoAnswer {
            sent: 5,
            waited: Duration::from_secs(60),
            refusals: vec!["no lease".into()],
        };
        assert_eq!(error.to_string(), "no DHCP server answered: 5 messages sent in 60 s; refusals: no lease");
    }
}
