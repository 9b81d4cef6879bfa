//! An HTTP server that does as it is told, down to the byte.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// How one request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// As RFC 9110 says, with a strong ETag.
    Right,
    /// As `Right`, without an ETag.
    NoEtag,
    /// Right, but the connection is closed after that many bytes of the body.
    Truncated(usize),
    /// Right, but the connection is reset after that many bytes of the body.
    Reset(usize),
    /// Right, but nothing comes after that many bytes of the body.
    Stalled(usize),
    /// Right, in pieces of that many bytes with a pause of so many milliseconds between them.
    Slow(usize, u64),
    /// Status 200 and the whole file, whatever was asked for.
    Whole,
    /// The whole file without saying how long it is.
    Endless,
    /// A part with this `Content-Range`.
    ContentRange(&'static str),
    /// The part asked for, with ten bytes behind it that belong to nothing.
    TooMuch,
    /// The byte at this offset of the file is flipped.
    Flipped(u64),
    /// Another file of the same size, with another ETag.
    Other,
    /// Another status, with this text among its headers.
    Status(u16, &'static str),
    /// To this path.
    Redirect(&'static str),
    /// These bytes instead of HTTP.
    Raw(&'static [u8]),
    /// Closed without a word.
    Closed,
}

/// A request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub path: String,
    pub range: Option<Range<u64>>,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Script {
    /// For the next requests, then always the last one.
    answers: VecDeque<Answer>,
    seen: Vec<Seen>,
}

pub struct Server {
    pub address: SocketAddr,
    content: Arc<Vec<u8>>,
    script: Arc<Mutex<Script>>,
    running: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `content` under every path: the first request as the first of `answers`, and so on; when
    /// only one is left, it is for all that follow.
    pub async fn start(content: &[u8], answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let script = Script { answers: answers.iter().cloned().collect(), seen: Vec::new() };
        let mut server = Self {
            address: listener.local_addr().unwrap(),
            content: Arc::new(content.to_vec()),
            script: Arc::new(Mutex::new(script)),
            running: None,
        };
        server.run(listener);
        server
    }

    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}/{path}", self.address)).unwrap()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.script.lock().unwrap().seen.clone()
    }

    /// Ends as a killed process does: listener and connections are gone.
    pub fn kill(&mut self) {
        self.running.take().unwrap().abort();
    }

    /// Comes back at the same address.
    pub async fn revive(&mut self) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.run(socket.listen(16).unwrap());
    }

    fn run(&mut self, listener: TcpListener) {
        let (content, script) = (self.content.clone(), self.script.clone());
        self.running = Some(tokio::spawn(async move {
            // The connections die with the set, and the set with this task.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(connection(stream, content.clone(), script.clone()));
            }
        }));
    }
}

async fn connection(stream: TcpStream, content: Arc<Vec<u8>>, script: Arc<Mutex<Script>>) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read_request(&mut stream).await {
        let answer = {
            let mut script = script.lock().unwrap();
            script.seen.push(seen.clone());
            match script.answers.len() {
                0 | 1 => script.answers.front().cloned().unwrap_or(Answer::Right),
                _ => script.answers.pop_front().unwrap(),
            }
        };
        if !send(stream.get_mut(), &answer, &content, seen.range).await {
            return;
        }
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let field = |name: &str| {
        let same = |line: &&String| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        lines.iter().find(same).and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
    };
    let length = field("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    Some(Seen { path, range: field("range").map(|range| parse_range(&range)), body })
}

fn parse_range(text: &str) -> Range<u64> {
    let (first, last) = text.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let end = last.parse::<u64>().map_or(u64::MAX, |last| last + 1);
    first.parse().unwrap()..end
}

/// Sends the answer; whether the connection can be used again.
async fn send(stream: &mut TcpStream, answer: &Answer, content: &[u8], range: Option<Range<u64>>) -> bool {
    let size = content.len() as u64;
    let whole = matches!(answer, Answer::Whole | Answer::Endless) || range.is_none();
    let range = range.filter(|_| !whole).unwrap_or(0..size);
    if range.start >= size && size > 0 {
        let head = format!("HTTP/1.1 416 No\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n\r\n");
        return stream.write_all(head.as_bytes()).await.is_ok();
    }
    let range = range.start..range.end.min(size);
    let mut body = content[range.start as usize..range.end as usize].to_vec();
    let mut etag = "ETag: \"v1\"\r\n";
    let mut content_range = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
    match answer {
        Answer::Raw(bytes) => {
            let _ = stream.write_all(bytes).await;
            return false;
        }
        Answer::Closed => return false,
        Answer::Status(status, header) => {
            let head = format!("HTTP/1.1 {status} Because\r\n{header}\r\nContent-Length: 0\r\n\r\n");
            return stream.write_all(head.as_bytes()).await.is_ok();
        }
        Answer::Redirect(to) => {
            let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            return stream.write_all(head.as_bytes()).await.is_ok();
        }
        Answer::NoEtag | Answer::Endless => etag = "",
        Answer::Flipped(at) if range.contains(at) => body[(at - range.start) as usize] ^= 1,
        Answer::Other => {
            etag = "ETag: \"v2\"\r\n";
            body.iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        Answer::ContentRange(wrong) => content_range = (*wrong).to_owned(),
        _ => {}
    }
    let status = if whole { "200 OK".to_owned() } else { "206 Partial Content".to_owned() };
    let partial = if whole { String::new() } else { format!("Content-Range: {content_range}\r\n") };
    let length = if matches!(answer, Answer::Endless) {
        "Connection: close\r\n".to_owned()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let head = format!("HTTP/1.1 {status}\r\n{etag}{partial}{length}\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() {
        return false;
    }
    send_body(stream, answer, &body).await
}

async fn send_body(stream: &mut TcpStream, answer: &Answer, body: &[u8]) -> bool {
    match *answer {
        Answer::Truncated(at) | Answer::Reset(at) | Answer::Stalled(at) if at < body.len() => {
            let _ = stream.write_all(&body[..at]).await;
            let _ = stream.flush().await;
            match answer {
                Answer::Stalled(_) => tokio::time::sleep(Duration::from_secs(3600)).await,
                // Long enough for the bytes to be read before the reset throws them away.
                Answer::Reset(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    stream.set_zero_linger().unwrap();
                }
                _ => {}
            }
            false
        }
        Answer::Slow(piece, pause) => {
            for piece in body.chunks(piece) {
                if stream.write_all(piece).await.is_err() {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            true
        }
        Answer::TooMuch => {
            stream.write_all(body).await.is_ok() && stream.write_all(b"0123456789").await.is_ok()
        }
        Answer::Endless => {
            let _ = stream.write_all(body).await;
            false
        }
        _ => stream.write_all(body).await.is_ok(),
    }
}
