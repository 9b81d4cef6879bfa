//! Listening to routers: ICMPv6 on a raw socket. What an advertisement says of addresses and routes the kernel
//! does by itself; name servers and whether to ask by DHCPv6 it leaves to us.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use bootwright_netboot::ndp::{self, Advertisement, ROUTERS, SOLICITATION};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use super::links::Link;

/// RTR_SOLICITATION_INTERVAL, RFC 4861 section 10.
const INTERVAL: Duration = Duration::from_secs(4);

/// An advertisement comes in one frame, jumbo frames included.
const MAX_PACKET: usize = 9216;

/// Packets have the hop limit with which no router passes them on, RFC 4861 section 6.1.
const HOPS: u32 = 255;

/// A socket that routers answer to.
pub struct Routers {
    /// Sends and receives with addresses, as one of UDP does; the kernel gives ICMPv6 messages without IP header.
    socket: UdpSocket,
    index: u32,
}

impl Routers {
    /// Listens on the interface.
    pub fn open(link: &Link) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(link.name.as_bytes()))?;
        socket.set_multicast_hops_v6(HOPS)?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, index: link.index })
    }

    /// Asks until a router advertises itself; `None` when none does within `limit`.
    pub async fn advertisement(&self, limit: Duration) -> Option<Advertisement> {
        let give_up = Instant::now() + limit;
        while Instant::now() < give_up {
            self.solicit().await;
            let until = (Instant::now() + INTERVAL).min(give_up);
            if let Ok(found) = timeout_at(until, self.next()).await {
                return Some(found);
            }
        }
        None
    }

    async fn solicit(&self) {
        let to = SocketAddrV6::new(ROUTERS, 0, 0, self.index);
        // Without a link-local address yet it fails; the kernel asks by itself, too.
        if let Err(error) = self.socket.send_to(&SOLICITATION, to).await {
            debug!("router solicitation: {error}");
        }
    }

    async fn next(&self) -> Advertisement {
        let mut buffer = vec![0; MAX_PACKET];
        loop {
            match self.socket.recv_from(&mut buffer).await {
                Ok((length, from)) => {
                    let message = buffer.get(..length).unwrap_or_default();
                    if let Some(found) = is_on_link(from).then(|| ndp::read(message)).flatten() {
                        return found;
                    }
                }
                Err(error) => {
                    // ENETDOWN while the link flaps: asked again, but not in a busy loop.
                    debug!("router advertisements: {error}");
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}

/// RFC 4861 section 6.1.2: a router speaks from its link-local address, which nobody off the link can have.
fn is_on_link(from: SocketAddr) -> bool {
    matches!(from, SocketAddr::V6(from) if from.ip().is_unicast_link_local())
}
