//! The socket under [`bootwright_netboot::dhcp6::client`].

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::{Duration, Instant};

use bootwright_netboot::dhcp6::client::{Client, Config, Event, Lease, Step};
use bootwright_netboot::dhcp6::{CLIENT_PORT, SERVER_PORT, SERVERS};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::links::Link;

/// A message comes in one datagram of UDP over IPv6, jumbo frames included.
const MAX_PACKET: usize = 9216;

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum Dhcp6Error {
    /// No socket on the interface.
    #[error("opening a DHCPv6 socket on {interface}")]
    Socket {
        /// Its name.
        interface: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody answered.
    #[error("no DHCPv6 server answered: {sent} messages sent in {} s{}", .waited.as_secs(), super::dhcp::refused_by(.refusals))]
    NoAnswer {
        /// Messages sent.
        sent: u32,
        /// For so long.
        waited: Duration,
        /// What servers said that refused.
        refusals: Vec<String>,
    },
}

/// A lease and what keeps it.
pub struct Session {
    socket: UdpSocket,
    client: Client,
    since: Instant,
    index: u32,
}

impl Session {
    /// A client on the interface, which has its link-local address already.
    pub fn open(link: &Link, config: Config) -> Result<Self, Dhcp6Error> {
        let socket = open_socket(&link.name)
            .map_err(|source| Dhcp6Error::Socket { interface: link.name.clone(), source })?;
        let client = Client::new(config, Duration::ZERO);
        Ok(Self { socket, client, since: Instant::now(), index: link.index })
    }

    /// Asks until there is a lease or `limit` is over.
    pub async fn acquire(&mut self, limit: Duration) -> Result<Lease, Dhcp6Error> {
        let (mut sent, mut refusals) = (0, Vec::new());
        let waited = self.since.elapsed() + limit;
        while self.since.elapsed() < waited {
            let event = match self.client.poll(self.since.elapsed()) {
                Step::Send(packet) => {
                    sent += 1;
                    self.send(&packet).await;
                    continue;
                }
                Step::WaitUntil(time) => self.receive(time.min(waited)).await,
                Step::Expired => continue,
            };
            match event {
                Some(Event::Bound(lease) | Event::Renewed(lease)) => return Ok(lease),
                Some(Event::Refused(words)) if refusals.len() < 8 => refusals.push(words),
                _ => {}
            }
        }
        Err(Dhcp6Error::NoAnswer { sent, waited: limit, refusals })
    }

    /// Keeps the lease for as long as the agent runs.
    pub async fn keep(mut self) {
        loop {
            match self.client.poll(self.since.elapsed()) {
                Step::Send(packet) => self.send(&packet).await,
                Step::WaitUntil(time) => {
                    let event = self.receive(time).await;
                    debug!("DHCPv6: {event:?}");
                }
                Step::Expired => {
                    warn!("the DHCPv6 lease has run out and nobody renewed it; going on with it");
                }
            }
        }
    }

    async fn send(&self, packet: &[u8]) {
        let to = SocketAddrV6::new(SERVERS, SERVER_PORT, 0, self.index);
        if let Err(error) = self.socket.send_to(packet, to).await {
            debug!("DHCPv6: {error}");
        }
    }

    async fn receive(&mut self, until: Duration) -> Option<Event> {
        let mut buffer = vec![0; MAX_PACKET];
        let wait = until.saturating_sub(self.since.elapsed());
        match timeout(wait, self.socket.recv_from(&mut buffer)).await {
            Ok(Ok((length, _))) => self.client.receive(self.since.elapsed(), buffer.get(..length)?),
            Ok(Err(error)) => {
                debug!("DHCPv6: {error}");
                sleep(wait.min(Duration::from_millis(200))).await;
                None
            }
            Err(_) => None,
        }
    }
}

fn open_socket(interface: &str) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(true)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, CLIENT_PORT, 0, 0).into())?;
    UdpSocket::from_std(socket.into())
}
