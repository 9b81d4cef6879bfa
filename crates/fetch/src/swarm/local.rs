//! Peers on the local network, found by multicast (BEP 14).
//!
//! ```text
//! BT-SEARCH * HTTP/1.1
//! Host: 239.192.152.143:6771
//! Port: 6881
//! Infohash: <40 hexadecimal digits>
//! cookie: <what tells our own announcements>
//! ```

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bootwright_image::torrent::InfoHash;
use futures_util::future::join_all;
use rustix::net::netdevice::name_to_index;
use rustix::net::sockopt::{set_ip_add_membership_with_ifindex, set_ip_multicast_if_with_ifindex};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The groups of BEP 14.
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f);
const PORT: u16 = 6771;

/// BEP 14 asks for no more than one announcement a minute, on average.
const INTERVAL: Duration = Duration::from_secs(300);

/// The first two come sooner: the switch may not have learned of our group yet.
const AGAIN: Duration = Duration::from_secs(60);

/// An announcement is a few lines; more is not read.
const MOST: usize = 1400;

/// Interfaces that are announced on: a machine with more has them for others.
const INTERFACES: usize = 16;

/// Info-hashes taken from one announcement.
const MOST_HASHES: usize = 32;

/// Looks for peers of one swarm.
pub(crate) struct Local {
    pub(crate) info_hash: InfoHash,
    pub(crate) port: u16,
}

/// What an announcement says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announcement {
    /// Where the sender listens.
    pub port: u16,
    /// Which torrents it has.
    pub hashes: Vec<InfoHash>,
    /// What tells its own announcements from others'.
    pub cookie: Option<String>,
}

impl Announcement {
    /// The datagram for the group at `host`.
    pub fn to_bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut text = format!("BT-SEARCH * HTTP/1.1\r\nHost: {host}\r\nPort: {}\r\n", self.port);
        for hash in &self.hashes {
            text.push_str(&format!("Infohash: {hash}\r\n"));
        }
        if let Some(cookie) = &self.cookie {
            text.push_str(&format!("cookie: {cookie}\r\n"));
        }
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }

    /// Reads a datagram; `None` when it is no announcement.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.split("\r\n");
        if !lines.next()?.starts_with("BT-SEARCH * HTTP/1.") {
            return None;
        }
        let mut found = Self::default();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "port" => found.port = value.parse().ok()?,
                "infohash" if found.hashes.len() < MOST_HASHES => {
                    found.hashes.extend(value.parse::<InfoHash>().ok());
                }
                "cookie" => found.cookie = Some(value.to_owned()),
                _ => {}
            }
        }
        (found.port != 0 && !found.hashes.is_empty()).then_some(found)
    }
}

impl Local {
    /// Announces and listens on all interfaces, by both families, until nobody takes the addresses any more. A
    /// family or an interface that does not let us is left out.
    pub(crate) async fn run<T>(self, found: mpsc::Sender<T>, wrap: impl Fn(Vec<SocketAddr>) -> T) {
        let cookie = format!("{:08x}", fastrand::u32(..));
        let announcement =
            Announcement { port: self.port, hashes: vec![self.info_hash], cookie: Some(cookie) };
        let sockets = interfaces().into_iter().flat_map(|interface| {
            [GROUP_V4.into(), GROUP_V6.into()].map(|group| Some((group, socket(group, interface).ok()?)))
        });
        let talks =
            sockets.flatten().map(|(group, socket)| talk(socket, group, &announcement, &found, &wrap));
        join_all(talks).await;
    }
}

/// Announces and listens by one socket.
async fn talk<T>(
    socket: UdpSocket,
    group: IpAddr,
    ours: &Announcement,
    found: &mpsc::Sender<T>,
    wrap: &impl Fn(Vec<SocketAddr>) -> T,
) {
    let to = SocketAddr::new(group, PORT);
    let mut due = Instant::now();
    let mut sent = 0;
    loop {
        let heard = tokio::select! {
            heard = hear(&socket) => heard,
            () = found.closed() => return,
            () = sleep_until(due) => {
                // A network without multicast is found out by nobody answering.
                let _ = socket.send_to(&ours.to_bytes(to), to).await;
                sent += 1;
                due = Instant::now() + if sent < 2 { AGAIN } else { INTERVAL };
                continue;
            }
        };
        let Some((mut from, theirs)) = heard else { continue };
        if theirs.cookie != ours.cookie && theirs.hashes.iter().any(|hash| ours.hashes.contains(hash)) {
            // The interface stays with a link-local address.
            from.set_port(theirs.port);
            if found.send(wrap(vec![from])).await.is_err() {
                return;
            }
        }
    }
}

/// The next announcement that comes in.
async fn hear(socket: &UdpSocket) -> Option<(SocketAddr, Announcement)> {
    let mut bytes = [0; MOST];
    match socket.recv_from(&mut bytes).await {
        Ok((length, from)) => Some((from, Announcement::read(bytes.get(..length)?)?)),
        Err(_) => {
            // Nothing that a wait would not heal.
            tokio::time::sleep(Duration::from_secs(1)).await;
            None
        }
    }
}

/// The numbers of this network's interfaces, but for loopback; 0, the system's choice, when they cannot be told.
/// Without a route, as in a network of its own, the system has no choice.
fn interfaces() -> Vec<u32> {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let Ok(socket) = Socket::new(Domain::IPV4, Type::DGRAM, None) else { return vec![0] };
    let names = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    let numbers = names.filter(|name| *name != "lo").filter_map(|name| name_to_index(&socket, name).ok());
    let numbers: Vec<u32> = numbers.take(INTERFACES).collect();
    if numbers.is_empty() { vec![0] } else { numbers }
}

/// A member of `group` at one interface.
fn socket(group: IpAddr, interface: u32) -> io::Result<UdpSocket> {
    let (any, domain): (IpAddr, Domain) = match group {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Domain::IPV4),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Domain::IPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    // Other clients on this machine listen there too.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    if group.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SocketAddr::new(any, PORT).into())?;
    match group {
        IpAddr::V4(group) => {
            let any = Ipv4Addr::UNSPECIFIED;
            set_ip_add_membership_with_ifindex(&socket, &group, &any, interface)?;
            set_ip_multicast_if_with_ifindex(&socket, &group, &any, interface)?;
        }
        IpAddr::V6(group) => {
            socket.join_multicast_v6(&group, interface)?;
            socket.set_multicast_if_v6(interface)?;
        }
    }
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_those_of_bep_14() {
        let ours = Announcement { port: 6881, hashes: vec![InfoHash([0xab; 20])], cookie: Some("c".into()) };
        let bytes = ours.to_bytes(SocketAddr::new(GROUP_V4.into(), PORT));
        let expected = format!(
            "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: {}\r\ncookie: c\r\n\r\n\r\n",
            "ab".repeat(20)
        );
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(Announcement::read(&bytes), Some(ours));
    }

    #[test]
    fn what_is_no_announcement_is_passed_over() {
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n", b"\xff"] {
            assert_eq!(Announcement::read(bytes), None);
        }
    }
}
