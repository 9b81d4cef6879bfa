//! One connection: request after request, artifacts by the zero-copy path, all else handed over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::handover::hand_over;
use super::reply::{Content, Reply, refusal, reply};
use super::request::{MAX_HEAD, Method, Request};
use super::send::{Follows, send_bytes, send_part};
use super::{Progress, Service, Transfer};
use crate::images::{Entity, Found};

/// A request head must be complete this long after its first byte: a client that trickles it in is
/// broken or hostile.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// A connection without a request is closed after this long: it holds a place that another machine
/// may want.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// Bytes asked from the socket at a time; most heads fit.
const READ: usize = 1 << 10;

/// What came from the socket.
enum Head {
    /// A request, and how many bytes of the buffer it took.
    Request(Request, usize),
    /// A refusal to be sent before the connection is closed.
    Refused(Reply),
    /// The client closed, or was idle for too long.
    Closed,
}

/// Serves a connection until its end; when `stop` changes, until its current request is answered.
pub async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: Arc<Service>,
    mut stop: watch::Receiver<()>,
) -> io::Result<()> {
    // Header and body leave together by MSG_MORE; nothing should wait for an acknowledgement.
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let head = tokio::select! {
            head = read_head(&stream, &mut buffer) => head?,
            _ = stop.changed() => Head::Closed,
        };
        let (request, length) = match head {
            Head::Request(request, length) => (request, length),
            Head::Closed => return Ok(()),
            Head::Refused(reply) => return send_refusal(&stream, &reply).await,
        };
        let keep_alive = request.keep_alive;
        match service.catalogue.find(&request.path) {
            Found::Elsewhere => return hand_over(stream, buffer, peer, &service).await,
            Found::Missing(why) => {
                let mut reply = refusal(404, &why, "", keep_alive, SystemTime::now());
                if request.method == Method::Head {
                    reply.content = Content::Nothing;
                }
                send_refusal(&stream, &reply).await?;
            }
            Found::Entity(entity) => send_entity(&stream, peer, &request, &entity, &service).await?,
        }
        if !keep_alive {
            return Ok(());
        }
        buffer.drain(..length.min(buffer.len()));
    }
}

/// Reads until `buffer` begins with a whole request head; it may hold the beginning of the next one
/// already, when the client pipelines.
async fn read_head(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<Head> {
    if buffer.is_empty() {
        let first = timeout(IDLE_TIME, read_some(stream, buffer)).await;
        if !matches!(first, Ok(Ok(1..))) {
            return first.map_or(Ok(Head::Closed), |result| result.map(|_| Head::Closed));
        }
    }
    match timeout(HEAD_TIME, complete_head(stream, buffer)).await {
        Ok(head) => head,
        Err(_) => Ok(refused(408, "the request's header did not arrive in time\n")),
    }
}

async fn complete_head(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<Head> {
    let mut seen = 0;
    loop {
        // Parsing starts at the first byte again, so it waits for what can end a head.
        if ends_head(buffer.get(seen..).unwrap_or_default()) {
            match Request::parse(buffer) {
                Ok(Some((request, length))) if length <= MAX_HEAD => {
                    return Ok(Head::Request(request, length));
                }
                Ok(_) => {}
                Err(error) => return Ok(refused(400, &format!("{error}\n"))),
            }
        }
        if buffer.len() >= MAX_HEAD {
            return Ok(refused(431, "the request's header is too large\n"));
        }
        // The end may be split over two reads: an empty line has at most four bytes.
        seen = buffer.len().saturating_sub(3);
        if read_some(stream, buffer).await? == 0 {
            return Ok(Head::Closed);
        }
    }
}

fn ends_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

async fn read_some(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        buffer.reserve(READ);
        match stream.try_read_buf(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

fn refused(status: u16, text: &str) -> Head {
    Head::Refused(refusal(status, text, "", false, SystemTime::now()))
}

async fn send_refusal(stream: &TcpStream, reply: &Reply) -> io::Result<()> {
    let text = match &reply.content {
        Content::Text(text) => text.as_str(),
        Content::Nothing | Content::Part(_) => "",
    };
    send_bytes(stream, format!("{}{text}", reply.head).as_bytes(), Follows::Nothing).await
}

async fn send_entity(
    stream: &TcpStream,
    peer: SocketAddr,
    request: &Request,
    entity: &Entity,
    service: &Service,
) -> io::Result<()> {
    let reply = reply(request, entity, SystemTime::now());
    let Content::Part(range) = reply.content.clone() else { return send_refusal(stream, &reply).await };
    let started = Instant::now();
    let tell = |sent, progress: Progress<'_>| {
        let transfer = Transfer { peer, path: &request.path, range: range.clone(), total: entity.length() };
        (service.observe)(&transfer, sent, started.elapsed(), progress);
    };
    tell(0, Progress::Begins);
    if let Err(error) = entity.body.check() {
        // Not a byte goes out under a length that is not there. The catalogue drops the image soon.
        tell(0, Progress::Failed(&error));
        let reply = refusal(500, &format!("{error}\n"), "", request.keep_alive, SystemTime::now());
        return send_refusal(stream, &reply).await;
    }
    let mut sent = 0;
    let result = async {
        send_bytes(stream, reply.head.as_bytes(), Follows::More).await?;
        send_part(stream, &entity.body, range.clone(), &mut sent).await
    };
    let result = result.await;
    match &result {
        Ok(()) => tell(sent, Progress::Done),
        Err(error) => tell(sent, Progress::Failed(error)),
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_head_is_seen_in_both_spellings_only() {
        assert!(ends_head(b"a\r\n\r\n") && ends_head(b"a\n\n") && ends_head(b"a\r\n\r\nb"));
        assert!(!ends_head(b"a\r\nb\r\n") && !ends_head(b"\r\n") && !ends_head(b""));
    }
}
