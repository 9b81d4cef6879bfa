//! Is there another DHCP server? Asked once, before ours starts.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use bootwright_netboot::Mac;
use bootwright_netboot::dhcp::packet::BROADCAST;
use bootwright_netboot::dhcp::server::Mode;
use bootwright_netboot::dhcp::{CLIENT_PORT, MessageType, Packet, SERVER_PORT, code};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::sockets::{BindError, Share, udp};

/// How long to listen: dnsmasq pings an address for three seconds before it offers it.
pub const WAIT: Duration = Duration::from_millis(4000);
/// How long to go on listening when one has answered.
const MORE: Duration = Duration::from_millis(500);
/// Servers that are remembered: more is a joke of somebody's.
const MAX_FOUND: usize = 8;

/// The other servers, in words for the mode that ours shall run in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Who answered with an address.
    pub servers: Vec<Ipv4Addr>,
    /// Which addresses they offered.
    pub offered: Vec<Ipv4Addr>,
    /// Where.
    pub interface: String,
}

/// Why nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Port 68.
    #[error("cannot ask for other DHCP servers")]
    Bind(#[from] BindError),
    /// The network.
    #[error("cannot ask for other DHCP servers on {interface}")]
    Io {
        /// The interface.
        interface: String,
        /// Why.
        source: io::Error,
    },
}

/// Sends a DISCOVER and listens until one has answered, [`WAIT`] at most. Blocks for that long; see
/// [`Search`] for a server that has better things to do.
pub fn find_others(interface: &str) -> Result<Found, FindError> {
    Search::begin(interface)?.finish(Ipv4Addr::UNSPECIFIED)
}

/// A DISCOVER that is on its way. Beginning needs privileges, finishing does not, so that a server can
/// begin, drop them, and finish on a thread while it answers already.
#[derive(Debug)]
pub struct Search {
    socket: UdpSocket,
    discover: Packet,
    interface: String,
    began: Instant,
}

impl Search {
    /// Sends the DISCOVER.
    pub fn begin(interface: &str) -> Result<Self, FindError> {
        let failed = |source| FindError::Io { interface: interface.to_owned(), source };
        let socket = udp(interface, Ipv4Addr::UNSPECIFIED, CLIENT_PORT, Share::Port)?;
        let discover = discover();
        let bytes = discover.encode(usize::MAX).map_err(|error| failed(io::Error::other(error)))?;
        socket.send_to(&bytes, SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT)).map_err(failed)?;
        Ok(Self { socket, discover, interface: interface.to_owned(), began: Instant::now() })
    }

    /// Listens for what is left of [`WAIT`]. A server of ours at `own` does not count.
    pub fn finish(self, own: Ipv4Addr) -> Result<Found, FindError> {
        let failed = |source| FindError::Io { interface: self.interface.clone(), source };
        let mut found = Found { servers: Vec::new(), offered: Vec::new(), interface: self.interface.clone() };
        let mut end = self.began + WAIT;
        let mut buffer = [0; 1500];
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let wait = Timespec::try_from(left).map_err(|error| failed(io::Error::other(error)))?;
            let mut ready = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)];
            poll(&mut ready, Some(&wait)).map_err(|error| failed(error.into()))?;
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { continue };
            found.note(&self.discover, buffer.get(..length).unwrap_or_default(), own);
            if !found.servers.is_empty() {
                end = end.min(Instant::now() + MORE);
            }
        }
        Ok(found)
    }
}

/// A machine that does not exist asks: the offer that it does not take runs out by itself, and no lease of
/// this host is touched.
fn discover() -> Packet {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let xid = since.map_or(0, |since| since.subsec_nanos());
    let [a, b, c, d] = xid.to_be_bytes();
    // The second bit of the first byte says "locally administered".
    let mut packet = Packet::request(Mac([0x02, 0xb0, a, b, c, d]), xid);
    packet.flags = BROADCAST;
    packet.options.put(code::MESSAGE_TYPE, [MessageType::Discover as u8]);
    packet.options.put(code::PARAMETERS, [code::SUBNET_MASK, code::ROUTER, code::DNS]);
    packet
}

impl Found {
    fn note(&mut self, discover: &Packet, bytes: &[u8], own: Ipv4Addr) {
        let Ok(answer) = Packet::parse(bytes) else { return };
        let ours = answer.xid == discover.xid && answer.chaddr == discover.chaddr;
        let offer = answer.message_type() == Some(MessageType::Offer) && !answer.yiaddr.is_unspecified();
        let Some(server) = answer.options.address(code::SERVER_ID).filter(|_| ours && offer) else { return };
        if server != own && self.servers.len() < MAX_FOUND && !self.servers.contains(&server) {
            self.servers.push(server);
            self.offered.push(answer.yiaddr);
        }
    }

    /// Whether this is how it should be for the mode.
    pub fn suits(&self, mode: &Mode) -> bool {
        self.servers.is_empty() == matches!(mode, Mode::Full(_))
    }

    /// One sentence for the operator.
    pub fn word(&self, mode: &Mode) -> String {
        let interface = &self.interface;
        match (mode, self.servers.is_empty()) {
            (Mode::Proxy, false) => {
                format!(
                    "DHCP server {self} gives the addresses on {interface}, this server adds what to boot"
                )
            }
            (Mode::Proxy, true) => format!(
                "no DHCP server answers on {interface}: machines will get no address; start one, or give \
                 addresses from here with --dhcp full --range FIRST-LAST"
            ),
            (Mode::Full(_), true) => {
                format!("no other DHCP server on {interface}, this one gives the addresses")
            }
            (Mode::Full(_), false) => format!(
                "another DHCP server answers on {interface}: {self}. Machines take an address from either, and \
                 only this one tells them what to boot; stop it, or run with --dhcp proxy"
            ),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.servers.iter().map(Ipv4Addr::to_string).collect();
        f.write_str(&servers.join(", "))
    }
}
