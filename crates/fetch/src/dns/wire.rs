//! One question to one server: UDP, then TCP when the answer did not fit (RFC 1035 section 4.2).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::Outcome;
use super::message::{self, Answer, NotAnswer, Query};

/// The largest answer that is read over UDP: without EDNS a server sends at most 512 bytes, some send
/// more.
const MAX_DATAGRAM: usize = 4096;

/// Asks `server` and waits for its answer, at most `limit` for each transport.
pub(super) async fn exchange(server: SocketAddr, query: &Query, limit: Duration) -> Result<Answer, Outcome> {
    match timeout(limit, over_udp(server, query)).await {
        Err(_) => Err(Outcome::Timeout(limit)),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Failed::Outcome(outcome))) => Err(outcome),
        Ok(Err(Failed::Truncated)) => match timeout(limit, over_tcp(server, query)).await {
            Err(_) => Err(Outcome::Timeout(limit)),
            Ok(result) => result,
        },
    }
}

enum Failed {
    Truncated,
    Outcome(Outcome),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Outcome(Outcome::Io(error))
    }
}

async fn over_udp(server: SocketAddr, query: &Query) -> Result<Answer, Failed> {
    // A fresh socket for each question: its random port is half of what a forger must guess.
    let local = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(server).await?;
    socket.send(&query.bytes).await?;
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match message::answer(query, buffer.get(..length).unwrap_or_default()) {
            Ok(answer) => return Ok(answer),
            Err(NotAnswer::Truncated) => return Err(Failed::Truncated),
            // Whoever can forge datagrams must not end the question: the right answer may follow.
            Err(NotAnswer::Stray | NotAnswer::Malformed(_)) => {}
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &Query) -> Result<Answer, Outcome> {
    let bytes = tcp_exchange(server, query).await.map_err(Outcome::Io)?;
    message::answer(query, &bytes).map_err(|not| match not {
        NotAnswer::Stray => Outcome::Malformed("it answers another question".into()),
        NotAnswer::Truncated => Outcome::Malformed("it is cut even over TCP".into()),
        NotAnswer::Malformed(why) => Outcome::Malformed(why),
    })
}

async fn tcp_exchange(server: SocketAddr, query: &Query) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.bytes.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(&query.bytes);
    stream.write_all(&framed).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
