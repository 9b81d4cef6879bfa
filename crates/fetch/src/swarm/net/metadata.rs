//! The info dictionary of a torrent from its peers (BEP 9), when only its hash is known.
//!
//! Several peers are asked side by side, each for all of it: who sends something else is known, and not asked
//! again. What has the right SHA-1 is the dictionary, whoever sent it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bootwright_image::MAX_MANIFEST;
use bootwright_image::torrent::{Info, InfoHash};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::book::Book;
use super::dial::{Greeted, dial};
use super::introduce::{Accounts, Introducer, News};
use super::link::{broken, name};
use super::{LocalDiscovery, PeerOptions};
use crate::error::{Cause, Error, Failure};
use crate::options::{Notice, Observer};
use crate::swarm::local::Local;
use crate::swarm::policy;
use crate::swarm::wire::{self, Extended, METADATA_PIECE, Message, Metadata, OUR_METADATA_ID};

/// Peers that are asked at one time. Each may make us hold a dictionary of the largest size.
const ASKED: usize = 4;

/// Requests that a peer has waiting: enough for a long line, few enough for clients that limit them.
const AHEAD: usize = 4;

/// A peer that sends no piece for so long is left.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often those whose connection failed are looked at again.
const TICK: Duration = Duration::from_millis(500);

/// What a tracker is told is missing, while nobody knows how much it is.
const LEFT: u64 = 16 << 10;

/// Failures that an error lists, the last ones.
const SETBACKS: usize = 8;

/// Asks the peers of `info_hash` for its info dictionary, as long as one of them sends something within `hope`. Also
/// gives the addresses of those peers.
///
/// # Errors
/// [`Error::Metadata`] when nobody sends it, [`Error::Torrent`] when it is none.
pub async fn fetch_metadata(
    info_hash: InfoHash,
    peers: &PeerOptions,
    hope: Duration,
    observe: Observer<'_>,
) -> Result<(Info, Vec<SocketAddr>), Error> {
    let mut search = Search::begin(info_hash, peers);
    let bytes = search.run(hope, observe).await?;
    let info = Info::from_bytes(&bytes).map_err(|error| Error::Torrent { info_hash, error })?;
    Ok((info, search.book.addresses()))
}

struct Search {
    info_hash: InfoHash,
    peers: PeerOptions,
    book: Book,
    news: mpsc::Receiver<News>,
    strangers: mpsc::Receiver<Greeted>,
    /// Ends the talk with trackers and the network when it goes.
    _tasks: JoinSet<()>,
    asking: JoinSet<(SocketAddr, Result<Vec<u8>, Cause>)>,
    setbacks: VecDeque<Failure>,
    started: Instant,
    /// Pieces that have come, from anybody.
    moved: Arc<AtomicU64>,
}

impl Search {
    fn begin(info_hash: InfoHash, peers: &PeerOptions) -> Self {
        let (bring, news) = mpsc::channel(4);
        let mut tasks = JoinSet::new();
        let mut book = Book::default();
        peers.peers.iter().for_each(|address| book.add(*address));
        let port = peers.port.local().port();
        if peers.local == LocalDiscovery::On {
            tasks.spawn(Local { info_hash, port }.run(bring.clone(), News::Peers));
        }
        if !peers.trackers.is_empty() {
            let accounts = Accounts { left: LEFT.into(), ..Accounts::default() };
            let introducer = Introducer {
                client: peers.client.clone(),
                tiers: peers.trackers.clone(),
                info_hash,
                peer_id: peers.port.peer_id(),
                port,
                accounts: Arc::new(accounts),
                news: bring,
            };
            tasks.spawn(async move {
                // Nobody says anything to it: it asks at its own pace.
                let (_words, orders) = mpsc::channel(1);
                introducer.run(orders).await;
            });
        }
        Self {
            info_hash,
            strangers: peers.port.register(info_hash),
            peers: peers.clone(),
            book,
            news,
            _tasks: tasks,
            asking: JoinSet::new(),
            setbacks: VecDeque::new(),
            started: Instant::now(),
            moved: Arc::default(),
        }
    }

    async fn run(&mut self, hope: Duration, observe: Observer<'_>) -> Result<Vec<u8>, Error> {
        let (mut end, mut moved) = (Instant::now() + hope, 0);
        loop {
            self.dial();
            let tick = Instant::now() + TICK;
            tokio::select! {
                Some(news) = self.news.recv() => match news {
                    News::Peers(addresses) => addresses.into_iter().for_each(|address| self.book.add(address)),
                    News::Failed(failure) => self.failed(failure, observe),
                },
                Some(greeted) = self.strangers.recv() => {
                    if self.asking.len() < ASKED && !self.book.is_banned(greeted.address.ip()) {
                        let question = self.question();
                        self.asking.spawn(async move { (greeted.address, question.ask(greeted).await) });
                    }
                }
                Some(Ok((address, asked))) = self.asking.join_next() => match asked {
                    Ok(bytes) => return Ok(bytes),
                    Err(cause) => self.refused(address, cause, observe),
                },
                () = sleep_until(tick) => {}
            }
            let now = self.moved.load(Ordering::Relaxed);
            if std::mem::replace(&mut moved, now) != now {
                end = Instant::now() + hope;
            }
            if Instant::now() >= end {
                let failures = std::mem::take(&mut self.setbacks).into();
                return Err(Error::Metadata { info_hash: self.info_hash, failures });
            }
        }
    }

    fn dial(&mut self) {
        while self.asking.len() < ASKED {
            let Some(address) = self.book.next(self.started.elapsed()) else { return };
            let (question, peer_id) = (self.question(), self.peers.port.peer_id());
            self.asking.spawn(async move {
                let asked = match dial(address, question.info_hash, peer_id).await {
                    Ok(greeted) => question.ask(greeted).await,
                    Err(cause) => Err(cause),
                };
                (address, asked)
            });
        }
    }

    fn question(&self) -> Question {
        let port = self.peers.port.local().port();
        Question { info_hash: self.info_hash, port, moved: self.moved.clone() }
    }

    fn refused(&mut self, address: SocketAddr, cause: Cause, observe: Observer<'_>) {
        if matches!(cause, Cause::Metadata(_) | Cause::Wire(_)) {
            self.book.ban(address.ip());
        }
        self.book.failed(self.started.elapsed(), address);
        self.failed(Failure::of(name(address, ""), cause), observe);
    }

    fn failed(&mut self, failure: Failure, observe: Observer<'_>) {
        observe(Notice::Failed { failure: &failure, retry_in: Some(Duration::ZERO) });
        self.setbacks.push_front(failure);
        self.setbacks.truncate(SETBACKS);
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.peers.port.forget(&self.info_hash);
    }
}

/// What each peer is asked.
struct Question {
    info_hash: InfoHash,
    /// Where we listen.
    port: u16,
    moved: Arc<AtomicU64>,
}

impl Question {
    /// Asks one peer for all of it.
    async fn ask(self, greeted: Greeted) -> Result<Vec<u8>, Cause> {
        if !greeted.handshake.extended {
            return Err(Cause::Answer("it does not know of metadata (BEP 10)".into()));
        }
        let mut talk = Talk { stream: greeted.stream, received: BytesMut::new(), moved: self.moved };
        let ours = Extended {
            metadata_id: Some(OUR_METADATA_ID),
            client: Some(concat!("bootwright ", env!("CARGO_PKG_VERSION")).into()),
            port: Some(self.port),
            ..Extended::default()
        };
        let mut first = BytesMut::new();
        if greeted.handshake.fast {
            // BEP 6 wants it before all else.
            wire::encode_talk(&policy::Talk::HaveNone, &mut first);
        }
        wire::encode_extended(0, &ours.to_bytes(), &mut first);
        talk.send(&first).await?;
        let (number, size) = talk.what_it_has().await?;
        let bytes = talk.all(number, size).await?;
        let found = InfoHash::of(&bytes);
        if found == self.info_hash { Ok(bytes) } else { Err(Cause::Metadata(found)) }
    }
}

struct Talk {
    stream: TcpStream,
    received: BytesMut,
    moved: Arc<AtomicU64>,
}

impl Talk {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        let written = timeout_at(Instant::now() + PATIENCE, self.stream.write_all(bytes)).await;
        written.map_err(|_| Cause::Stalled(PATIENCE))?.map_err(broken)
    }

    /// The number under which it takes requests, and the size of the dictionary.
    async fn what_it_has(&mut self) -> Result<(u8, usize), Cause> {
        let until = Instant::now() + PATIENCE;
        let told = loop {
            if let (0, payload) = self.hear(until).await? {
                break Extended::read(&payload).map_err(|error| Cause::Answer(error.to_string()))?;
            }
        };
        let has = told.metadata_id.zip(told.metadata_size);
        let (number, size) = has.ok_or_else(|| Cause::Answer("it has no metadata".into()))?;
        match size as usize {
            size @ 1..=MAX_MANIFEST => Ok((number, size)),
            size => Err(Cause::Answer(format!("it has metadata of {size} bytes, not 1 to {MAX_MANIFEST}"))),
        }
    }

    /// All pieces of the dictionary, laid end to end.
    async fn all(&mut self, number: u8, size: usize) -> Result<Vec<u8>, Cause> {
        let count = size.div_ceil(METADATA_PIECE);
        let mut pieces: Vec<Option<Vec<u8>>> = vec![None; count];
        let (mut asked, mut missing) = (0, count);
        let mut until = Instant::now() + PATIENCE;
        while missing > 0 {
            while asked < count && asked + missing < count + AHEAD {
                // At most MAX_MANIFEST / METADATA_PIECE.
                let mut request = BytesMut::new();
                wire::encode_extended(number, &Metadata::Request(asked as u32).to_bytes(), &mut request);
                self.send(&request).await?;
                asked += 1;
            }
            let (OUR_METADATA_ID, payload) = self.hear(until).await? else { continue };
            match Metadata::read(&payload).map_err(|error| Cause::Answer(error.to_string()))? {
                Some(Metadata::Data(piece, total, data)) => {
                    let piece = piece as usize;
                    let length =
                        size.saturating_sub(piece.saturating_mul(METADATA_PIECE)).min(METADATA_PIECE);
                    let place = pieces.get_mut(piece).filter(|place| place.is_none() && piece < asked);
                    let Some(place) = place.filter(|_| total as usize == size && data.len() == length) else {
                        return Err(Cause::Answer(format!(
                            "it sends a piece of metadata, {piece}, that is none"
                        )));
                    };
                    *place = Some(data.to_vec());
                    missing -= 1;
                    self.moved.fetch_add(1, Ordering::Relaxed);
                    until = Instant::now() + PATIENCE;
                }
                Some(Metadata::Reject(piece)) => {
                    return Err(Cause::Answer(format!("it does not give piece {piece} of its metadata")));
                }
                // It may ask us for what we do not have either.
                Some(Metadata::Request(_)) | None => {}
            }
        }
        Ok(pieces.into_iter().flatten().flatten().collect())
    }

    /// The next message of BEP 10; others are passed over.
    async fn hear(&mut self, until: Instant) -> Result<(u8, bytes::Bytes), Cause> {
        loop {
            while let Some(message) = wire::decode(&mut self.received, 0).map_err(Cause::Wire)? {
                if let Message::Extended(number, payload) = message {
                    return Ok((number, payload));
                }
            }
            let read = timeout_at(until, self.stream.read_buf(&mut self.received)).await;
            if read.map_err(|_| Cause::Stalled(PATIENCE))?.map_err(broken)? == 0 {
                return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}
