//! The sockets under [`bootwright_netboot::sntp`].

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use bootwright_fetch::Client;
use bootwright_netboot::sntp;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::failure::chain;

/// How long an answer is waited for; a server in the machine room needs a millisecond.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// Questions to one address before the next one is asked.
const ATTEMPTS: u32 = 2;

/// How long all of them may take: a boot without the time goes on, and says what it lacks.
const LIMIT: Duration = Duration::from_secs(12);

/// The longest answer that is read: with the extensions of those who send any.
const MAX_ANSWER: usize = 1024;

/// Sets the clock by the first of `servers` that answers with a time after `lower`, seconds since 1970.
pub async fn set(client: &Client, servers: &[String], lower: u64) {
    let asking = async {
        for server in servers {
            match ask(client, server, lower).await {
                Ok(time) => return super::set(time, &format!("the time server {server}")),
                Err(problem) => warn!("time server {server}: {problem}"),
            }
        }
        warn!("no time server has answered: the clock stays as it is");
    };
    if timeout(LIMIT, asking).await.is_err() {
        warn!("the time servers take too long: the clock stays as it is");
    }
}

async fn ask(client: &Client, server: &str, lower: u64) -> Result<Duration, String> {
    let addresses = client.resolve(server, sntp::PORT).await.map_err(|error| chain(&error))?;
    let mut problem = "it has no address".to_owned();
    for address in addresses {
        for _ in 0..ATTEMPTS {
            match ask_once(address, lower).await {
                Ok(time) => {
                    info!("{server} ({}) says the time", address.ip());
                    return Ok(time);
                }
                Err(error) => problem = error,
            }
        }
    }
    Err(problem)
}

async fn ask_once(server: SocketAddr, lower: u64) -> Result<Duration, String> {
    let told = |error: std::io::Error| error.to_string();
    let own = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(own).await.map_err(told)?;
    socket.connect(server).await.map_err(told)?;
    let (cookie, sent) = (fastrand::u64(..), Instant::now());
    socket.send(&sntp::question(cookie)).await.map_err(told)?;
    let mut buffer = [0; MAX_ANSWER];
    let received = timeout(ANSWER_LIMIT, socket.recv(&mut buffer)).await;
    let length = received.map_err(|_| "no answer".to_owned())?.map_err(told)?;
    let time = sntp::answer(buffer.get(..length).unwrap_or_default(), cookie, lower);
    // The way back takes about half of the time.
    time.map(|time| time + sent.elapsed() / 2).map_err(|error| error.to_string())
}
