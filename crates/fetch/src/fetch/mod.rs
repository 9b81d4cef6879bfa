//! A file in chunks, from many sources, into a store.
//!
//! 1. [`resume`] verifies what an earlier attempt left in the store.
//! 2. [`download`] carries out what the [scheduler](crate::schedule) says and tells it what happened.
//! 3. Each [`request`] is a task that cuts its stream into chunks.
//! 4. Peers come in through the [hub](crate::swarm::net) of their swarm, which the driver asks in turn.
//! 5. Each chunk goes to a worker thread that [verifies](crate::verify) and stores it, see [`judge`]. When too many are
//!    under way, no more are taken from the tasks, and TCP slows the senders down.

mod download;
mod judge;
mod request;
mod resume;

use std::sync::Arc;
use std::time::Duration;

use bootwright_image::torrent::Info;
use bootwright_image::{RootManifest, Verified};
use tokio::time::Instant;

use crate::error::Error;
use crate::handle::Handle;
use crate::layout::Layout;
use crate::options::{Observer, Options, Progress, SPAN_BESIDE_PEERS};
use crate::schedule::SourceId;
use crate::source::Source;
use crate::store::Store;
use crate::swarm::net::{Hub, Subject};
use crate::swarm::policy::{Manners, Order, Seeding};
use crate::swarm::{Bits, PeerOptions, PeerShare, Seeder};
use download::Download;

/// A download that has ended well: every byte in the store is what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complete {
    /// The size, and how much of it nobody had to send.
    pub progress: Progress,
    /// Verified bytes from each source, in the order of the sources.
    pub by_source: Vec<u64>,
    /// What each peer gave and got until then.
    pub by_peer: Vec<PeerShare>,
    /// Chunks that came damaged.
    pub refused: u32,
    /// How long it took, resuming included.
    pub took: Duration,
}

/// Fetches the root that `manifest` describes from `sources` into `store`.
///
/// Chunks that the store holds already are verified and kept. A source that fails is tried again as
/// [`Options::retry`] says; a download that moves is never broken off, however slow it is.
///
/// # Errors
/// [`Error::Exhausted`], [`Error::Corrupt`], [`Error::Store`], [`Error::NoSource`]. The store keeps what
/// was verified, so that a later call goes on from there.
pub async fn fetch(
    manifest: &Verified<RootManifest>,
    sources: &[Arc<dyn Source>],
    store: Arc<dyn Store>,
    options: &Options,
    observe: Observer<'_>,
) -> Result<Complete, Error> {
    if sources.is_empty() {
        return Err(Error::NoSource);
    }
    let (complete, _) = Task::of(manifest).run(sources, store, None, options, observe).await?;
    Ok(complete)
}

/// As [`fetch()`], from peers too; mirrors do what peers do not. `sources` may be empty when there are peers.
///
/// What has come is given on from the first chunk, and by the [`Seeder`] that comes back when all is there.
/// Wants a tokio runtime in which tasks can be spawned.
///
/// # Errors
/// As [`fetch()`].
pub async fn fetch_with_peers(
    manifest: &Verified<RootManifest>,
    sources: &[Arc<dyn Source>],
    store: Arc<dyn Store>,
    peers: PeerOptions,
    options: &Options,
    observe: Observer<'_>,
) -> Result<(Complete, Seeder), Error> {
    let (complete, seeder) = Task::of(manifest).run(sources, store, Some(peers), options, observe).await?;
    Ok((complete, seeder.ok_or(Error::NoSource)?))
}

/// Fetches the files of somebody else's torrent into `store`, laid end to end, from `sources` and from peers,
/// when there are any to be taken part with. [`FileSet`](crate::FileSet) is a store of several files.
///
/// Each piece is verified by the SHA-1 in the torrent before it is stored or given on. That keeps out what others
/// send; whether the torrent itself is right is for the caller to know. Among peers we are a client like others:
/// who gives is given to (BEP 3).
///
/// # Errors
/// As [`fetch()`].
pub async fn fetch_torrent(
    info: &Arc<Info>,
    sources: &[Arc<dyn Source>],
    store: Arc<dyn Store>,
    peers: Option<PeerOptions>,
    options: &Options,
    observe: Observer<'_>,
) -> Result<(Complete, Option<Seeder>), Error> {
    if sources.is_empty() && peers.is_none() {
        return Err(Error::NoSource);
    }
    Task::of_torrent(info).run(sources, store, peers, options, observe).await
}

/// What came of [`gather`].
pub(crate) struct Gathered {
    /// Bytes from each source, in the order of the sources.
    pub(crate) by_source: Vec<u64>,
    /// Who sent each chunk; nobody, when it was there.
    pub(crate) senders: Vec<Option<SourceId>>,
}

/// Fetches the chunks that are not `there` from `sources`. Does not complete the store.
pub(crate) async fn gather(
    layout: &Arc<Layout>,
    sources: &[Arc<dyn Source>],
    store: Arc<dyn Store>,
    there: &[bool],
    options: &Options,
    observe: Observer<'_>,
) -> Result<Gathered, Error> {
    let attached = options.handle.as_ref().map(Handle::attach);
    if let Some(attached) = &attached {
        let mut stored = Bits::none(layout.count());
        (0..).zip(there).filter(|(_, there)| **there).for_each(|(chunk, _)| {
            stored.insert(chunk);
        });
        attached.begin(stored);
    }
    let name = store.name().to_owned();
    let mut download = Download::new(&name, layout.clone(), store, sources, None, attached, observe);
    download.run(there, options).await?;
    let senders = std::mem::take(&mut download.senders);
    let (_, by_source, _, attached) = download.result();
    if let Some(attached) = attached {
        attached.complete();
    }
    Ok(Gathered { by_source, senders })
}

/// What is to be put together, whoever vouches for it.
struct Task {
    name: String,
    layout: Arc<Layout>,
    info: Arc<Info>,
    manners: Manners,
}

impl Task {
    fn of(manifest: &Verified<RootManifest>) -> Self {
        let (layout, info) = (Arc::new(Layout::of(manifest)), Arc::new(Info::of(manifest)));
        Self { name: manifest.file.clone(), layout, info, manners: Manners::Fleet }
    }

    fn of_torrent(info: &Arc<Info>) -> Self {
        let layout = Arc::new(Layout::of_torrent(info));
        Self { name: info.name.clone(), layout, info: info.clone(), manners: Manners::Strangers }
    }

    async fn run(
        self,
        sources: &[Arc<dyn Source>],
        store: Arc<dyn Store>,
        peers: Option<PeerOptions>,
        options: &Options,
        observe: Observer<'_>,
    ) -> Result<(Complete, Option<Seeder>), Error> {
        let started = Instant::now();
        let attached = options.handle.as_ref().map(Handle::attach);
        let there = resume::look(&self.layout, &store, observe).await?;
        let mut stored = Bits::none(self.layout.count());
        (0..).zip(&there).filter(|(_, there)| **there).for_each(|(chunk, _)| {
            stored.insert(chunk);
        });
        if let Some(attached) = &attached {
            attached.begin(stored.clone());
        }
        let mut options = options.clone();
        if peers.as_ref().is_some_and(|peers| !peers.trackers.is_empty()) {
            options.span = options.span.min(SPAN_BESIDE_PEERS);
        }
        let hub = peers.map(|peers| self.join(peers, &store, stored, options.order));
        let mut download =
            Download::new(&self.name, self.layout, store.clone(), sources, hub, attached, observe);
        download.run(&there, &options).await?;
        let (progress, by_source, hub, attached) = download.result();
        let name = store.name().to_owned();
        blocking(move || store.complete()).await?.map_err(|source| Error::Store {
            what: name,
            offset: progress.total,
            source,
        })?;
        if let Some(attached) = attached {
            attached.complete();
        }
        let by_peer = hub.as_ref().map(Hub::shares).unwrap_or_default();
        let refused = progress.refused;
        let complete = Complete { progress, by_source, by_peer, refused, took: started.elapsed() };
        Ok((complete, hub.map(Seeder::run)))
    }

    /// Joins the swarm with what is there.
    fn join(&self, peers: PeerOptions, store: &Arc<dyn Store>, stored: Bits, order: Order) -> Hub {
        let (info, layout, store) = (self.info.clone(), self.layout.clone(), store.clone());
        let subject = Subject { info, layout, store, manners: self.manners };
        let mut hub = Hub::new(subject, peers, stored, Seeding::Plain);
        hub.set_order(order);
        hub
    }
}

/// Runs what may wait for a disk on a worker thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|died| Error::Worker(died.to_string()))
}
