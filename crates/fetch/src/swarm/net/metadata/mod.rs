//! The info dictionary of a torrent from its peers (BEP 9), when only its hash is known.
//!
//! Several peers are asked side by side, each for all of it: who sends something else is known, and not asked
//! again. What has the right SHA-1 is the dictionary, whoever sent it.

mod talk;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bootwright_image::torrent::{Info, InfoHash};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::book::Book;
use super::dial::{Greeted, dial};
use super::introduce::{Accounts, Introducer, News};
use super::link::name;
use super::{LocalDiscovery, PeerOptions};
use crate::error::{Cause, Error, Failure};
use crate::options::{Notice, Observer};
use crate::swarm::local::Local;
use talk::Question;

/// How long a caller may hope for peers that have the metadata, as long as nothing comes.
pub const METADATA_HOPE: Duration = Duration::from_secs(120);

/// Peers that are asked at one time. Each may make us hold a dictionary of the largest size.
const ASKED: usize = 4;

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
