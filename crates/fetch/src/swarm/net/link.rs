//! A connection to one peer: a task that reads and a task that writes.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Subject;
use crate::error::Cause;
use crate::swarm::policy::{Block, PeerId, Talk};
use crate::swarm::wire::{self, Message};

/// A peer that says nothing for so long is gone. BEP 3's clients send a keep-alive every two minutes.
const SILENCE: Duration = Duration::from_secs(180);

/// We send one when nothing else was sent for so long.
const KEEP_ALIVE: Duration = Duration::from_secs(90);

/// A peer that takes no byte for so long is gone.
const STUCK: Duration = Duration::from_secs(60);

/// Bytes that the system holds of one connection beyond what is under way: few, so that what was decided
/// to be sent is not overtaken by better decisions while it waits in a buffer.
const UNSENT: u32 = 32 << 10;

/// Bytes read from the store at a time.
const READ: u64 = 256 << 10;

/// Bytes of room made for the network to fill.
const RECEIVE: usize = 64 << 10;

/// What a link tells the hub.
pub(super) enum In {
    Message(Message),
    /// The network has taken this block.
    Sent(Block),
    /// A chunk that was to be sent cannot be read.
    Store(u64, io::Error),
    Closed(Cause),
}

/// What the hub tells a link.
pub(super) enum Out {
    Talk(Talk),
    Block(Block),
    Extended(u8, Vec<u8>),
}

/// The hub's end of a link; the connection ends with it.
pub(super) struct Link {
    out: mpsc::Sender<Out>,
    tasks: [AbortHandle; 2],
}

impl Link {
    /// Runs a connection. `inbox` is where it tells.
    pub(super) fn new(
        stream: TcpStream,
        peer: PeerId,
        subject: Subject,
        inbox: mpsc::Sender<(PeerId, In)>,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT)?;
        let chunks = subject.layout.count();
        // Every chunk may be told of and every waiting block rejected before the peer reads one.
        let (out, orders) = mpsc::channel(chunks as usize + 4096);
        let (reading, writing) = stream.into_split();
        let reader = tokio::spawn(read(reading, peer, chunks, inbox.clone()));
        let writer = Writer { stream: writing, peer, subject, inbox, page: None, ready: BytesMut::new() };
        let writer = tokio::spawn(writer.run(orders));
        Ok(Self { out, tasks: [reader.abort_handle(), writer.abort_handle()] })
    }

    /// Whether it was taken: a peer that reads nothing has too much waiting.
    pub(super) fn say(&self, out: Out) -> bool {
        self.out.try_send(out).is_ok()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn read(stream: OwnedReadHalf, peer: PeerId, chunks: u32, inbox: mpsc::Sender<(PeerId, In)>) {
    if let Err(cause) = read_all(stream, peer, chunks, &inbox).await {
        let _ = inbox.send((peer, In::Closed(cause))).await;
    }
}

async fn read_all(
    mut stream: OwnedReadHalf,
    peer: PeerId,
    chunks: u32,
    inbox: &mpsc::Sender<(PeerId, In)>,
) -> Result<(), Cause> {
    let mut received = BytesMut::new();
    loop {
        received.reserve(RECEIVE);
        match timeout(SILENCE, stream.read_buf(&mut received)).await {
            Err(_) => return Err(Cause::Stalled(SILENCE)),
            Ok(Err(error)) => return Err(broken(error)),
            Ok(Ok(0)) => return Err(broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(_)) => {}
        }
        while let Some(message) = wire::decode(&mut received, chunks).map_err(Cause::Wire)? {
            if message != Message::KeepAlive && inbox.send((peer, In::Message(message))).await.is_err() {
                return Ok(());
            }
        }
    }
}

struct Writer {
    stream: OwnedWriteHalf,
    peer: PeerId,
    subject: Subject,
    inbox: mpsc::Sender<(PeerId, In)>,
    /// The stretch of the file that was read last, as long as blocks of it are asked for.
    page: Option<(u64, Bytes)>,
    /// Messages that are to be written.
    ready: BytesMut,
}

impl Writer {
    async fn run(mut self, mut orders: mpsc::Receiver<Out>) {
        loop {
            let order = match timeout(KEEP_ALIVE, orders.recv()).await {
                Ok(None) => return,
                Ok(Some(order)) => order,
                Err(_) => {
                    wire::encode_keep_alive(&mut self.ready);
                    if self.flush(Bytes::new()).await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            if let Err(told) = self.carry_out(order, &mut orders).await {
                let _ = self.inbox.send((self.peer, told)).await;
                return;
            }
        }
    }

    /// Writes `order` and all that wait behind it, up to a block.
    async fn carry_out(&mut self, order: Out, orders: &mut mpsc::Receiver<Out>) -> Result<(), In> {
        let mut next = Some(order);
        while let Some(order) = next {
            match order {
                Out::Talk(talk) => wire::encode_talk(&talk, &mut self.ready),
                Out::Extended(id, payload) => wire::encode_extended(id, &payload, &mut self.ready),
                Out::Block(block) => {
                    let bytes = self.bytes(&block).await?;
                    wire::encode_piece(&block, &mut self.ready);
                    self.flush(bytes).await?;
                    let _ = self.inbox.send((self.peer, In::Sent(block))).await;
                }
            }
            next = orders.try_recv().ok();
        }
        self.flush(Bytes::new()).await
    }

    /// Writes what is ready, and `bytes` behind it.
    async fn flush(&mut self, bytes: Bytes) -> Result<(), In> {
        let mut all = self.ready.split().chain(bytes);
        while all.has_remaining() {
            let written = match timeout(STUCK, self.stream.write_buf(&mut all)).await {
                Err(_) => return Err(In::Closed(Cause::Stalled(STUCK))),
                Ok(written) => written.map_err(|error| In::Closed(broken(error)))?,
            };
            if written == 0 {
                return Err(In::Closed(broken(io::ErrorKind::WriteZero.into())));
            }
        }
        Ok(())
    }

    /// The bytes of a block, from the page or the store.
    async fn bytes(&mut self, block: &Block) -> Result<Bytes, In> {
        let chunk = self.subject.layout.range(block.chunk);
        let start = chunk.start + u64::from(block.begin);
        let wanted = start..start + u64::from(block.length);
        if let Some(bytes) = self.page.as_ref().and_then(|(at, page)| cut(*at, page, &wanted)) {
            if wanted.end == chunk.end {
                self.page = None;
            }
            return Ok(bytes);
        }
        let stretch = start..chunk.end.min(start + READ.max(u64::from(block.length)));
        let store = self.subject.store.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; (stretch.end - stretch.start) as usize];
            store.read_at(stretch.start, &mut bytes).map(|()| Bytes::from(bytes))
        });
        let page = read.await.unwrap_or_else(|died| Err(io::Error::other(died)));
        let page = page.map_err(|error| In::Store(start, error))?;
        let bytes = cut(start, &page, &wanted);
        self.page = (page.len() as u64 > u64::from(block.length)).then_some((start, page));
        bytes.ok_or_else(|| In::Store(start, io::ErrorKind::UnexpectedEof.into()))
    }
}

/// The part `wanted` of a page that begins at `at`.
fn cut(at: u64, page: &Bytes, wanted: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(wanted.start.checked_sub(at)?).ok()?;
    let to = usize::try_from(wanted.end.checked_sub(at)?).ok()?;
    (to <= page.len()).then(|| page.slice(from..to))
}

pub(super) fn broken(error: io::Error) -> Cause {
    Cause::Broken(error.into())
}

/// How a peer is named to people.
pub(super) fn name(address: SocketAddr, client: &str) -> String {
    if client.is_empty() { format!("peer {address}") } else { format!("peer {address} ({client})") }
}
