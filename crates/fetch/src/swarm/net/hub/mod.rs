//! The middle of one swarm: policy, links, address book, trackers.
//!
//! Whoever drives it awaits [`Hub::turn`] again and again. What the hub cannot decide alone comes out of it as
//! a [`Turn`]: a chunk to be verified, a chunk that mirrors need not fetch, a peer that has fallen out.

mod act;
mod busy;
mod meet;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::book::Book;
use super::dial::{Greeted, Side};
use super::introduce::{Accounts, FAREWELL, Introducer, News, Word};
use super::link::{In, Link};
use super::{PeerOptions, Subject};
use crate::error::{Cause, Failure};
use crate::schedule::Mirrors;
use crate::source::MirrorKey;
use crate::swarm::Bits;
use crate::swarm::policy::{Block, Event, Limits, Manners, Order, PeerId, Seeding, Swarm, TICK};
use crate::swarm::wire::Busy;
use busy::Rumours;

/// Messages of all links that may wait for the hub: a block each, at most.
const INBOX: usize = 256;

/// Messages taken in before the policy is asked again.
const BATCH: usize = 64;

/// Mirrors wait so long for the first word of a tracker and of peers.
const INTRODUCTION: Duration = Duration::from_millis(1500);

/// And so long for peers that have been found to be connected.
const ACQUAINTANCE: Duration = Duration::from_millis(500);

/// When peers have given nothing for so long, mirrors help out.
const HUNGER: Duration = Duration::from_millis(700);

/// Peers that are remembered after they have left, for the account of who sent what.
const REMEMBERED: usize = 1000;

/// What one peer gave and got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerShare {
    /// Where it is.
    pub address: SocketAddr,
    /// What it calls itself.
    pub client: String,
    /// Verified bytes from it.
    pub received: u64,
    /// Bytes sent to it.
    pub sent: u64,
    /// Damaged chunks from it.
    pub refused: u32,
    /// Whether it is connected.
    pub connected: bool,
    /// Chunks that it has.
    pub has: u32,
}

/// What the hub's driver has to deal with.
pub(crate) enum Turn {
    /// Peers have been asked for it: mirrors need not be.
    Took(u32),
    /// They are not any more.
    Returned(u32),
    /// All bytes of a chunk.
    Arrived { peer: PeerId, chunk: u32, pieces: Vec<Bytes> },
    /// A peer or a tracker failed.
    Failed(Failure),
    /// What was to be sent to a peer cannot be read.
    Store(u64, io::Error),
    /// A peer says that a mirror is busy.
    Busy { peer: PeerId, told: Busy },
    /// Time has passed.
    Tick,
}

/// A connected peer.
struct Acquaintance {
    link: Link,
    peer_id: [u8; 20],
    side: Side,
    share: PeerShare,
    /// The number under which it takes messages of BEP 9.
    metadata_id: Option<u8>,
    /// What it and we say of busy mirrors.
    busy: Rumours,
}

/// See the [module](self).
pub(crate) struct Hub {
    subject: Subject,
    options: PeerOptions,
    seeding: Seeding,
    swarm: Swarm,
    peers: BTreeMap<PeerId, Acquaintance>,
    next_peer: u32,
    left: Vec<PeerShare>,
    /// Blocks of chunks that are not whole.
    parts: BTreeMap<(PeerId, u32), Vec<Option<Bytes>>>,
    turns: VecDeque<Turn>,
    book: Book,
    started: Instant,
    dials: JoinSet<(SocketAddr, Result<Greeted, Cause>)>,
    /// Where links tell.
    tell: mpsc::Sender<(PeerId, In)>,
    inbox: mpsc::Receiver<(PeerId, In)>,
    strangers: mpsc::Receiver<Greeted>,
    news: mpsc::Receiver<News>,
    words: mpsc::Sender<Word>,
    /// Talks with trackers, when there are any.
    introducer: Option<JoinHandle<()>>,
    accounts: Arc<Accounts>,
    next_tick: Duration,
    introduced: Option<Duration>,
    /// When a peer last gave us something.
    fed: Duration,
    /// Blocks that wait for the upload limit, and when the next may go.
    held: VecDeque<(PeerId, Block)>,
    next_upload: Duration,
    /// Mirrors that have asked us to come back later, and when.
    busy: BTreeMap<MirrorKey, Duration>,
}

impl Hub {
    /// Joins the swarm of `subject`, of which `stored` is there. Wants a tokio runtime.
    pub(crate) fn new(subject: Subject, options: PeerOptions, stored: Bits, seeding: Seeding) -> Self {
        let layout = &subject.layout;
        let limits = match subject.manners {
            Manners::Fleet => Limits::new(layout.size, layout.chunk()),
            Manners::Strangers => Limits::among_strangers(layout.size, layout.chunk()),
        };
        let swarm = Swarm::new(limits, stored, seeding, fastrand::u64(..));
        let (tell, inbox) = mpsc::channel(INBOX);
        let (bring, news) = mpsc::channel(4);
        let (words, orders) = mpsc::channel(4);
        let accounts = Arc::new(Accounts::default());
        let swarm_id = subject.info.hash;
        let introducer = Introducer {
            client: options.client.clone(),
            tiers: options.trackers.clone(),
            info_hash: swarm_id,
            peer_id: options.port.peer_id(),
            port: options.port.local().port(),
            accounts: accounts.clone(),
            news: bring.clone(),
        };
        let mut hub = Self {
            strangers: options.port.register(swarm_id),
            seeding,
            swarm,
            peers: BTreeMap::new(),
            next_peer: 0,
            left: Vec::new(),
            parts: BTreeMap::new(),
            turns: VecDeque::new(),
            book: Book::default(),
            started: Instant::now(),
            dials: JoinSet::new(),
            tell,
            inbox,
            news,
            words,
            introducer: None,
            accounts,
            next_tick: Duration::ZERO,
            introduced: options.trackers.is_empty().then_some(Duration::ZERO),
            fed: Duration::ZERO,
            held: VecDeque::new(),
            next_upload: Duration::ZERO,
            busy: BTreeMap::new(),
            subject,
            options,
        };
        hub.options.peers.iter().for_each(|address| hub.book.add(*address));
        if !hub.options.peers.is_empty() {
            // Mirrors wait for those that are being dialled.
            hub.dial();
        }
        hub.keep_account();
        if !hub.options.trackers.is_empty() {
            hub.introducer = Some(tokio::spawn(introducer.run(orders)));
        }
        if hub.options.local == super::LocalDiscovery::On {
            let local =
                crate::swarm::local::Local { info_hash: swarm_id, port: hub.options.port.local().port() };
            tokio::spawn(local.run(bring, News::Peers));
        }
        hub
    }

    /// The next thing that the driver has to deal with. Nothing is lost when it is dropped.
    pub(crate) async fn turn(&mut self) -> Turn {
        loop {
            self.act();
            if let Some(turn) = self.turns.pop_front() {
                return turn;
            }
            let wake = match self.held.is_empty() {
                true => self.next_tick,
                false => self.next_tick.min(self.next_upload),
            };
            tokio::select! {
                Some((peer, told)) = self.inbox.recv() => self.take_in(peer, told),
                Some(greeted) = self.strangers.recv() => self.meet(greeted),
                Some(dialled) = self.dials.join_next() => {
                    if let Ok((address, result)) = dialled {
                        self.dialled(address, result);
                    }
                }
                Some(news) = self.news.recv() => self.learn(news),
                () = sleep_until(self.started + wake) => {
                    if self.now() >= self.next_tick {
                        self.next_tick = self.now() + TICK;
                        self.dial();
                        self.turns.push_back(Turn::Tick);
                    }
                }
            }
        }
    }

    /// A chunk is verified and in its place; `from` is the peer that sent it, if one did.
    pub(crate) fn stored(&mut self, chunk: u32, from: Option<PeerId>) {
        if let Some(peer) = from.and_then(|from| self.peers.get_mut(&from)) {
            let range = self.subject.layout.range(chunk);
            peer.share.received += range.end - range.start;
        }
        let before = self.swarm.stored().is_full();
        self.handle(Event::Stored(chunk));
        self.keep_account();
        if !before && self.swarm.stored().is_full() {
            // The tracker learns of it at the latest when we leave.
            let _ = self.words.try_send(Word::Completed);
        }
    }

    /// The chunk that `from` sent is damaged.
    pub(crate) fn refused(&mut self, chunk: u32, from: PeerId) {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.share.refused += 1;
        }
        self.handle(Event::Refused(from, chunk));
    }

    /// A mirror fetches `chunk` from now on, or does not any more.
    pub(crate) fn mirror(&mut self, chunk: u32, fetches: bool) {
        self.handle(if fetches { Event::Claimed(chunk) } else { Event::Released(chunk) });
    }

    /// See [`Swarm::set_order`].
    pub(crate) fn set_order(&mut self, order: Order) {
        self.swarm.set_order(order);
    }

    /// See [`Swarm::demand`].
    pub(crate) fn demand(&mut self, chunks: &[u32]) {
        self.swarm.demand(chunks.iter().copied());
    }

    /// See [`Swarm::prefer`].
    pub(crate) fn prefer(&mut self, chunks: &[u32]) {
        self.swarm.prefer(chunks.iter().copied());
    }

    /// See [`Swarm::hold`].
    pub(crate) fn hold(&mut self, held: bool) {
        self.swarm.hold(held);
    }

    /// How much mirrors shall do beside the peers.
    pub(crate) fn mirrors(&self) -> Mirrors {
        if self.subject.manners == Manners::Strangers {
            // There is no fleet to spare a mirror for.
            return Mirrors::Free;
        }
        let now = self.now();
        let Some(introduced) = self.introduced else {
            return if now < INTRODUCTION { Mirrors::Held } else { Mirrors::Free };
        };
        if self.peers.is_empty() && !self.dials.is_empty() && now < introduced + ACQUAINTANCE {
            return Mirrors::Held;
        }
        if !self.swarm.has_company() {
            return Mirrors::Free;
        }
        let fed = self.fed.max(introduced);
        if now.saturating_sub(fed) < HUNGER { Mirrors::Held } else { Mirrors::Sparing }
    }

    /// Connected peers.
    pub(crate) fn connected(&self) -> usize {
        self.peers.len()
    }

    /// Who that is, for messages.
    pub(crate) fn name(&self, peer: PeerId) -> String {
        match self.peers.get(&peer) {
            Some(peer) => super::link::name(peer.share.address, &peer.share.client),
            None => "a peer that has left".into(),
        }
    }

    /// What each peer gave and got, those that have left included.
    pub(crate) fn shares(&self) -> Vec<PeerShare> {
        let connected = self.peers.iter().map(|(id, peer)| {
            let has = self.swarm.has(*id).map_or(0, Bits::count);
            PeerShare { has, ..peer.share.clone() }
        });
        connected.chain(self.left.iter().cloned()).collect()
    }

    /// Bytes sent to peers.
    pub(crate) fn uploaded(&self) -> u64 {
        self.accounts.uploaded.load(Ordering::Relaxed)
    }

    /// Leaves the swarm; the tracker hears of it, if it answers soon.
    pub(crate) async fn leave(mut self) {
        self.peers.clear();
        let Some(mut introducer) = self.introducer.take() else { return };
        let farewell = async {
            let _ = self.words.send(Word::Stop).await;
            loop {
                tokio::select! {
                    _ = &mut introducer => return,
                    // It may wait for us to take in what it has to tell.
                    Some(_) = self.news.recv() => {}
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn handle(&mut self, event: Event) {
        self.swarm.handle(self.started.elapsed(), event);
    }

    /// What the tracker is told next time.
    fn keep_account(&self) {
        let layout = &self.subject.layout;
        let missing = u64::from(layout.count().saturating_sub(self.swarm.stored().count()));
        let left = (missing * u64::from(layout.chunk())).min(layout.size);
        self.accounts.left.store(left, Ordering::Relaxed);
        let received = self.peers.values().map(|peer| peer.share.received).sum::<u64>();
        let before = self.left.iter().map(|share| share.received).sum::<u64>();
        self.accounts.downloaded.store(received + before, Ordering::Relaxed);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.options.port.forget(&self.subject.info.hash);
    }
}
