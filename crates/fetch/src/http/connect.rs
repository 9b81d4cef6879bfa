//! From a host name to a connection: DNS, TCP to the first address that answers, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::pool::Key;
use super::proxy::Via;
use super::sender::{Form, Sender};
use super::tls;
use crate::dns::Resolver;
use crate::error::Cause;

/// Head start of one address before the next is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection that speaks HTTP.
pub(super) struct Connected {
    pub(super) sender: Sender,
    pub(super) form: Form,
    pub(super) address: SocketAddr,
}

/// Plain or TLS. Boxed, so that hyper's state machine is in the agent once.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Connects to the server of `key`, by a proxy when there is one. `limit` is for each address; the TLS
/// handshake has as long again.
pub(super) async fn connect(
    resolver: &Resolver,
    connector: &TlsConnector,
    key: &Key,
    via: Option<&Via>,
    limit: Duration,
) -> Result<Connected, Cause> {
    let (host, port) = via.map_or((&key.host, key.port), |via| (&via.host, via.port));
    let (address, mut tcp) = tcp(resolver, host, port, limit).await?;
    // Requests are small and come one at a time: nothing is gained by waiting for more.
    tcp.set_nodelay(true).map_err(|error| Cause::Connect(vec![(address, error)]))?;
    if !key.secure {
        let form = if via.is_some() { Form::Absolute } else { Form::Origin };
        return http1(Box::new(tcp), address, form).await;
    }
    let handshake = async {
        if let Some(via) = via {
            via.tunnel(&mut tcp, key).await?;
        }
        tls::handshake(connector, &key.host, tcp).await
    };
    let late = |_| Cause::Handshake(io::ErrorKind::TimedOut.into());
    let stream = timeout(limit, handshake).await.map_err(late)??;
    #[cfg(feature = "http2")]
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return http2(stream, address).await;
    }
    http1(Box::new(stream), address, Form::Origin).await
}

/// A TCP connection to the first address of `host` that answers.
pub(super) async fn tcp(
    resolver: &Resolver,
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<(SocketAddr, TcpStream), Cause> {
    let addresses = resolver.lookup(host).await.map_err(Cause::Dns)?;
    first_to_answer(&alternate(&addresses), port, limit).await
}

async fn http1(io: Box<dyn Io>, address: SocketAddr, form: Form) -> Result<Connected, Cause> {
    let (sender, connection) =
        http1::handshake(TokioIo::new(io)).await.map_err(|error| Cause::Broken(error.into()))?;
    // It ends with the sender or the peer; what it fails with, the request is told too.
    tokio::spawn(connection);
    Ok(Connected { sender: Sender::Http1(sender), form, address })
}

/// One request at a time, as with HTTP/1.1: several connections share a link better than several streams.
#[cfg(feature = "http2")]
async fn http2(io: impl Io + 'static, address: SocketAddr) -> Result<Connected, Cause> {
    let mut builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let handshake = builder.handshake(TokioIo::new(io)).await;
    let (sender, connection) = handshake.map_err(|error| Cause::Broken(error.into()))?;
    tokio::spawn(connection);
    Ok(Connected { sender: Sender::Http2(sender), form: Form::Pseudo, address })
}

/// Bytes that an HTTP/2 server may send ahead: the bandwidth-delay product of 1 Gbit/s and 60 ms.
#[cfg(feature = "http2")]
const WINDOW: u32 = 8 << 20;

/// IPv6 and IPv4 in turn, so that a dead family costs one head start, not all of its addresses.
fn alternate(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv6());
    let longer = v6.len().max(v4.len());
    (0..longer).flat_map(|at| v6.get(at).into_iter().chain(v4.get(at))).copied().collect()
}

/// Happy Eyeballs without its finer points: the next address is tried when the one before has failed or
/// its head start is over; the first connection wins.
async fn first_to_answer(
    addresses: &[IpAddr],
    port: u16,
    limit: Duration,
) -> Result<(SocketAddr, TcpStream), Cause> {
    let mut waiting = addresses.iter().map(|address| SocketAddr::new(*address, port));
    let mut trying = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        let more = waiting.next().map(|address| trying.push(attempt(address, limit))).is_some();
        if trying.is_empty() {
            return Err(Cause::Connect(failed));
        }
        let patience = if more { HEAD_START } else { limit };
        match timeout(patience, trying.next()).await {
            Ok(Some((address, Ok(stream)))) => return Ok((address, stream)),
            Ok(Some((address, Err(error)))) => failed.push((address, error)),
            Ok(None) | Err(_) => {}
        }
    }
}

async fn attempt(address: SocketAddr, limit: Duration) -> (SocketAddr, io::Result<TcpStream>) {
    let connected = timeout(limit, TcpStream::connect(address)).await;
    (address, connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<IpAddr>>();
        let mixed = parse(&["::1", "::2", "::3", "10.0.0.1"]);
        assert_eq!(alternate(&mixed), parse(&["::1", "10.0.0.1", "::2", "::3"]));
        assert!(alternate(&[]).is_empty());
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_keep_the_next_from_being_tried() {
        let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = ["127.0.0.3".parse().unwrap(), "127.0.0.2".parse().unwrap()];
        let (address, _) = first_to_answer(&addresses, port, Duration::from_secs(5)).await.unwrap();
        assert_eq!(address.ip(), addresses[1]);
    }
}
