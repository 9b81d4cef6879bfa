//! The driver of a download.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::judge::Judged;
use super::request::{Report, Request, What};
use crate::error::{Cause, Error, Failure, Fault};
use crate::handle::{Attached, Orders};
use crate::layout::Layout;
use crate::options::{Notice, Observer, Options, Progress};
use crate::retry::RETRY_AFTER_MAX;
use crate::schedule::{Action, Defeat, Event, Policy, RequestId, Scheduler, SourceId, SourceInfo};
use crate::source::Source;
use crate::store::Store;
use crate::swarm::net::{Hub, Turn};
use crate::swarm::policy::PeerId;
use crate::swarm::wire::Busy;
use crate::verify::workers;

/// Reports that may wait for the driver. Each may hold a chunk: few, so that memory stays bounded.
const REPORTS: usize = 1;

/// A download that no mirror can help any more, and to which peers have given nothing for so long, has
/// failed.
const HOPE: Duration = Duration::from_secs(120);

/// The same while no peer is connected: others of the fleet would have been heard of by then.
const HOPE_ALONE: Duration = Duration::from_secs(30);

/// Failures of peers and trackers that an error lists, the last ones.
const SETBACKS: usize = 8;

/// Everything that a running download knows, but for the scheduler.
pub(super) struct Download<'a> {
    pub(super) what: &'a str,
    pub(super) layout: Arc<Layout>,
    pub(super) store: Arc<dyn Store>,
    pub(super) sources: &'a [Arc<dyn Source>],
    pub(super) observe: Observer<'a>,
    pub(super) started: Instant,
    pub(super) progress: Progress,
    pub(super) by_source: Vec<u64>,
    /// Which source sent each chunk, if one did.
    pub(super) senders: Vec<Option<SourceId>>,
    pub(super) hub: Option<Hub>,
    pub(super) handle: Option<Attached>,
    pub(super) running: BTreeMap<RequestId, Running>,
    /// What carries each of them out.
    tasks: BTreeMap<RequestId, AbortHandle>,
    /// The last failure of each source.
    pub(super) failures: BTreeMap<SourceId, Failure>,
    /// Who sent a chunk damaged that is still missing.
    pub(super) damaged: BTreeMap<u32, Vec<Failure>>,
    /// What peers and trackers did last.
    pub(super) setbacks: VecDeque<Failure>,
    /// When a chunk was last stored, or something was wanted again after a rest.
    pub(super) moved: Duration,
}

/// A request in flight.
#[derive(Clone, Copy)]
pub(super) struct Running {
    pub(super) source: SourceId,
    pub(super) address: Option<SocketAddr>,
}

/// Who sent a chunk.
#[derive(Clone, Copy)]
pub(super) enum Sender {
    Source(Running),
    Peer(PeerId),
}

impl<'a> Download<'a> {
    pub(super) fn new(
        what: &'a str,
        layout: Arc<Layout>,
        store: Arc<dyn Store>,
        sources: &'a [Arc<dyn Source>],
        hub: Option<Hub>,
        handle: Option<Attached>,
        observe: Observer<'a>,
    ) -> Self {
        Self {
            what,
            senders: vec![None; layout.count() as usize],
            progress: Progress { total: layout.size, ..Progress::default() },
            layout,
            store,
            sources,
            observe,
            started: Instant::now(),
            by_source: vec![0; sources.len()],
            hub,
            handle,
            setbacks: VecDeque::new(),
            moved: Duration::ZERO,
            running: BTreeMap::new(),
            tasks: BTreeMap::new(),
            failures: BTreeMap::new(),
            damaged: BTreeMap::new(),
        }
    }

    pub(super) fn result(self) -> (Progress, Vec<u64>, Option<Hub>, Option<Attached>) {
        (self.progress, self.by_source, self.hub, self.handle)
    }

    /// Runs until all chunks are stored; `there` says which are so from the beginning.
    pub(super) async fn run(&mut self, there: &[bool], options: &Options) -> Result<(), Error> {
        self.progress.kept = self.bytes_of(there);
        self.progress.stored = self.progress.kept;
        let mut scheduler = self.scheduler(there, options);
        let (reports, mut inbox) = mpsc::channel(REPORTS);
        let mut tasks = JoinSet::new();
        let mut judges = JoinSet::new();
        loop {
            if let Some(hub) = &self.hub {
                scheduler.set_mirrors(hub.mirrors());
            }
            let wake = match scheduler.poll(self.now()) {
                Action::Defeat(Defeat::Exhausted) if self.hopes() => None,
                Action::Complete => return Ok(()),
                Action::Defeat(defeat) => return Err(self.defeated(defeat)),
                Action::Wait(wake) => wake,
                Action::Abandon { request, span } => {
                    self.abandon(&scheduler, request, span);
                    continue;
                }
                Action::Request { request: id, source, span } => {
                    let Some(from) = self.sources.get(source.0).cloned() else { continue };
                    self.running.insert(id, Running { source, address: None });
                    self.claim(&scheduler, id, span.clone());
                    let (layout, reports) = (self.layout.clone(), reports.clone());
                    let request = Request { id, source: from, span, layout, stall: options.stall, reports };
                    self.tasks.insert(id, tasks.spawn(request.run()));
                    continue;
                }
            };
            tokio::select! {
                turn = turn(&mut self.hub) => self.turned(&mut scheduler, turn, &mut judges)?,
                orders = orders(&self.handle) => self.ordered(&mut scheduler, orders),
                Some(judged) = judges.join_next() => self.judged(&mut scheduler, alive(judged)?)?,
                Some(report) = inbox.recv(), if judges.len() < workers() => {
                    self.reported(&mut scheduler, report, &mut judges);
                }
                Some(ended) = tasks.join_next() => unless_abandoned(ended)?,
                () = sleep_until(self.started + wake.unwrap_or_default()), if wake.is_some() => {}
            }
        }
    }

    /// Somebody has said what he wants first.
    fn ordered(&mut self, scheduler: &mut Scheduler, orders: Orders) {
        let Orders { demanded, order, held } = orders;
        if let Some(hub) = &mut self.hub {
            hub.demand(&demanded);
            order.iter().for_each(|order| hub.prefer(order));
            hub.hold(held);
        }
        if held || scheduler.is_held() {
            self.moved = self.now();
        }
        scheduler.demand(self.now(), demanded);
        order.into_iter().for_each(|order| scheduler.prefer(order));
        scheduler.hold(held);
    }

    fn scheduler(&self, there: &[bool], options: &Options) -> Scheduler {
        let policy = Policy {
            retry: options.retry,
            span: self.layout.chunks_in(options.span),
            in_flight: options.in_flight,
            bad_chunk_limit: options.bad_chunk_limit,
            bad_source_limit: options.bad_source_limit,
        };
        let infos = self.sources.iter().map(|source| SourceInfo { priority: source.priority() });
        let infos: Vec<_> = infos.collect();
        Scheduler::new(policy, there, &infos, fastrand::u64(..))
    }

    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn reported(&mut self, scheduler: &mut Scheduler, report: Report, judges: &mut JoinSet<Judged>) {
        let Report { request, what } = report;
        let Some(running) = self.running.get_mut(&request) else { return };
        match what {
            What::Answered { ranges, address } => {
                running.address = address;
                scheduler.handle(self.now(), Event::Answered { request, ranges });
            }
            What::Chunk { chunk, pieces } => {
                let from = *running;
                if scheduler.wants(request, chunk) {
                    scheduler.handle(self.now(), Event::Arrived { request, chunk });
                    self.judge(chunk, Sender::Source(from), pieces, judges);
                }
            }
            What::Ended(failure) => {
                let source = running.source;
                self.running.remove(&request);
                self.tasks.remove(&request);
                self.release(scheduler, request);
                let fault = failure.as_ref().map(Failure::fault);
                scheduler.handle(self.now(), Event::Ended { request, fault });
                if let Some(failure) = failure {
                    self.failed(scheduler, source, failure);
                }
            }
        }
    }

    fn failed(&mut self, scheduler: &Scheduler, source: SourceId, failure: Failure) {
        let retry_in = scheduler.retry_in(self.now(), source);
        let mirror = self.sources.get(source.0).and_then(|source| source.herd());
        if let Fault::Transient { retry_after: Some(wait) } = failure.fault()
            && let (Some(hub), Some(mirror)) = (&mut self.hub, mirror)
        {
            hub.busy(mirror, wait.min(RETRY_AFTER_MAX));
        }
        (self.observe)(Notice::Failed { failure: &failure, retry_in });
        self.failures.insert(source, failure);
    }

    /// A peer says that a mirror is busy.
    fn hear_busy(&mut self, scheduler: &mut Scheduler, peer: PeerId, told: Busy) {
        let Busy { mirror, wait } = told;
        for (at, source) in self.sources.iter().enumerate().filter(|(_, it)| it.herd() == Some(mirror)) {
            let (now, id) = (self.now(), SourceId(at));
            if scheduler.hear_busy(now, id, wait) {
                let peer = self.hub.as_ref().map_or(String::new(), |hub| hub.name(peer));
                let failure = Failure::of(source.name(), Cause::Hearsay { peer, wait });
                (self.observe)(Notice::Failed { failure: &failure, retry_in: scheduler.retry_in(now, id) });
            }
        }
    }

    fn defeated(&mut self, defeat: Defeat) -> Error {
        let what = self.what.to_owned();
        match defeat {
            Defeat::BadChunk(chunk) => {
                Error::Corrupt { what, failures: self.damaged.remove(&chunk).unwrap_or_default() }
            }
            Defeat::Exhausted => Error::Exhausted {
                what,
                stored: self.progress.stored,
                total: self.progress.total,
                failures: std::mem::take(&mut self.failures)
                    .into_values()
                    .chain(std::mem::take(&mut self.setbacks))
                    .collect(),
            },
        }
    }

    /// Chunks that a mirror has been asked for are not asked of peers.
    fn claim(&mut self, scheduler: &Scheduler, request: RequestId, span: Range<u32>) {
        let Some(hub) = &mut self.hub else { return };
        span.filter(|chunk| scheduler.wants(request, *chunk)).for_each(|chunk| hub.mirror(chunk, true));
    }

    /// A request is of no use any more: its connection ends with its task.
    fn abandon(&mut self, scheduler: &Scheduler, request: RequestId, span: Range<u32>) {
        self.running.remove(&request);
        if let Some(task) = self.tasks.remove(&request) {
            task.abort();
        }
        if let Some(hub) = &mut self.hub {
            span.filter(|chunk| scheduler.is_missing(*chunk)).for_each(|chunk| hub.mirror(chunk, false));
        }
    }

    /// A request is over: what it has not delivered is open to peers again.
    fn release(&mut self, scheduler: &Scheduler, request: RequestId) {
        let Some(hub) = &mut self.hub else { return };
        (0..self.layout.count())
            .filter(|chunk| scheduler.wants(request, *chunk))
            .for_each(|chunk| hub.mirror(chunk, false));
    }

    /// Deals with what the hub leaves to its driver.
    fn turned(
        &mut self,
        scheduler: &mut Scheduler,
        turn: Turn,
        judges: &mut JoinSet<Judged>,
    ) -> Result<(), Error> {
        match turn {
            Turn::Took(chunk) => scheduler.handle(self.now(), Event::Taken { chunk }),
            Turn::Returned(chunk) => scheduler.handle(self.now(), Event::Returned { chunk }),
            Turn::Arrived { peer, chunk, pieces } => self.judge(chunk, Sender::Peer(peer), pieces, judges),
            Turn::Failed(failure) => {
                let retry_in = matches!(failure.fault(), Fault::Transient { .. }).then_some(Duration::ZERO);
                (self.observe)(Notice::Failed { failure: &failure, retry_in });
                self.setbacks.push_front(failure);
                self.setbacks.truncate(SETBACKS);
            }
            Turn::Store(offset, source) => return Err(self.store_error(offset, source)),
            Turn::Busy { peer, told } => self.hear_busy(scheduler, peer, told),
            Turn::Tick => self.tell_progress(),
        }
        Ok(())
    }

    pub(super) fn tell_progress(&mut self) {
        if let Some(hub) = &self.hub {
            self.progress.peers = u32::try_from(hub.connected()).unwrap_or(u32::MAX);
            self.progress.to_peers = hub.uploaded();
        }
        (self.observe)(Notice::Progress(self.progress));
    }

    /// Whether peers may still bring what no mirror gives any more. Where there never was a mirror, peers are all
    /// there is, and worth a longer wait.
    fn hopes(&self) -> bool {
        let Some(hub) = &self.hub else { return false };
        let alone = hub.connected() == 0 && !self.sources.is_empty();
        self.now().saturating_sub(self.moved) < if alone { HOPE_ALONE } else { HOPE }
    }

    pub(super) fn store_error(&self, offset: u64, source: io::Error) -> Error {
        Error::Store { what: self.store.name().to_owned(), offset, source }
    }

    fn bytes_of(&self, there: &[bool]) -> u64 {
        let ranges = (0..).zip(there).filter(|(_, there)| **there).map(|(chunk, _)| self.layout.range(chunk));
        ranges.map(|range| range.end - range.start).sum()
    }
}

/// The next turn of the hub, if there is one.
async fn turn(hub: &mut Option<Hub>) -> Turn {
    match hub {
        Some(hub) => hub.turn().await,
        None => std::future::pending().await,
    }
}

/// What the handle says next, if there is one.
async fn orders(handle: &Option<Attached>) -> Orders {
    match handle {
        Some(handle) => handle.orders().await,
        None => std::future::pending().await,
    }
}

fn unless_abandoned(ended: Result<(), JoinError>) -> Result<(), Error> {
    if ended.as_ref().is_err_and(JoinError::is_cancelled) { Ok(()) } else { alive(ended) }
}

fn alive<T>(joined: Result<T, JoinError>) -> Result<T, Error> {
    joined.map_err(|died| Error::Worker(died.to_string()))
}
