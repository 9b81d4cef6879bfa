//! Giving without taking: after a download, and as the origin of a fleet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bootwright_image::torrent::Info;
use bootwright_image::{RootManifest, Verified};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Bits;
use super::net::{Hub, PeerOptions, PeerShare, Subject, Turn};
use super::policy::{Manners, Seeding};
use crate::layout::Layout;
use crate::store::Store;

/// Failures that a status lists.
const SETBACKS: usize = 8;

/// How a seed is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeedStatus {
    /// Bytes sent to peers.
    pub uploaded: u64,
    /// Connected peers.
    pub connected: usize,
    /// What each peer gave and got, those that have left included.
    pub peers: Vec<PeerShare>,
    /// What peers and trackers did wrong, the last ones, newest first.
    pub setbacks: VecDeque<String>,
    /// Why it has ended, when the file could not be read any more.
    pub broken: Option<String>,
}

/// A file that is given to whoever asks, by a task of its own. Seeding ends when this is dropped, or in
/// good manners with [`Seeder::stop`].
pub struct Seeder {
    status: Arc<Mutex<SeedStatus>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Seeder {
    /// Gives the root of `manifest` from `store`, where every byte has to be there, as the origin of a fleet:
    /// each chunk to one machine at first. Wants a tokio runtime.
    pub fn origin(manifest: &Verified<RootManifest>, store: Arc<dyn Store>, options: PeerOptions) -> Self {
        Self::whole(manifest, store, options, Seeding::Revealing)
    }

    /// The same as one of the fleet that has everything: it tells so, and is asked for anything.
    pub fn machine(manifest: &Verified<RootManifest>, store: Arc<dyn Store>, options: PeerOptions) -> Self {
        Self::whole(manifest, store, options, Seeding::Plain)
    }

    fn whole(
        manifest: &Verified<RootManifest>,
        store: Arc<dyn Store>,
        options: PeerOptions,
        seeding: Seeding,
    ) -> Self {
        let layout = Arc::new(Layout::of(manifest));
        let stored = Bits::all(layout.count());
        let subject = Subject { info: Arc::new(Info::of(manifest)), layout, store, manners: Manners::Fleet };
        Self::run(Hub::new(subject, options, stored, seeding))
    }

    pub(crate) fn run(hub: Hub) -> Self {
        let status = Arc::new(Mutex::new(SeedStatus::default()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(seed(hub, status.clone(), stopped));
        Self { status, stop: Some(stop), task }
    }

    /// How it is doing.
    pub fn status(&self) -> SeedStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leaves the swarm and tells the tracker.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn seed(mut hub: Hub, status: Arc<Mutex<SeedStatus>>, mut stopped: oneshot::Receiver<()>) {
    let mut setbacks = VecDeque::new();
    let set = |hub: &Hub, setbacks: &VecDeque<String>, broken| {
        let now = SeedStatus {
            uploaded: hub.uploaded(),
            connected: hub.connected(),
            peers: hub.shares(),
            setbacks: setbacks.clone(),
            broken,
        };
        *status.lock().unwrap_or_else(PoisonError::into_inner) = now;
    };
    let mut ticks = 0u32;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            turn = hub.turn() => match turn {
                Turn::Store(offset, error) => {
                    set(&hub, &setbacks, Some(format!("reading byte {offset}: {error}")));
                    break;
                }
                Turn::Tick => {
                    ticks = ticks.wrapping_add(1);
                    if ticks % 10 == 1 {
                        set(&hub, &setbacks, None);
                    }
                }
                Turn::Failed(failure) => {
                    let text = failure.explain();
                    setbacks.retain(|earlier| *earlier != text);
                    setbacks.push_front(text);
                    setbacks.truncate(SETBACKS);
                }
                Turn::Took(_) | Turn::Returned(_) | Turn::Arrived { .. } | Turn::Busy { .. } => {}
            }
        }
    }
    hub.leave().await;
}
