//! The swarms of what is served: the [tracker](crate::tracker) with a clock.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::images::{Catalogue, Image};
use crate::tracker::{Glance, Tracked, Tracker};

/// The tracker of this server.
pub struct Swarms {
    tracker: Mutex<Tracker>,
    started: Instant,
    /// Addresses of this machine.
    own: Vec<IpAddr>,
}

impl Swarms {
    /// Tracks what is in `catalogue`. `own` are addresses of this machine.
    pub fn new(catalogue: &Catalogue, own: Vec<IpAddr>) -> Self {
        let swarms =
            Self { tracker: Mutex::new(Tracker::new(fastrand::u64(..))), started: Instant::now(), own };
        swarms.update(catalogue);
        swarms
    }

    /// Tracks what is in `catalogue` now.
    pub fn update(&self, catalogue: &Catalogue) {
        let tracked = |image: &Image| {
            let swarm = image.swarm.as_ref()?;
            let image = image.name().to_owned();
            Some(Tracked { info_hash: swarm.info.hash, image, size: swarm.manifest.size })
        };
        let files: Vec<_> = catalogue.images().iter().filter_map(|image| tracked(image)).collect();
        self.tracker().track(&files);
    }

    /// Answers an announce, see [`Tracker::announce`].
    pub fn announce(&self, from: IpAddr, query: &str) -> Vec<u8> {
        self.tracker().announce(self.now(), from, &self.own, query)
    }

    /// Answers a scrape, see [`Tracker::scrape`].
    pub fn scrape(&self, query: &str) -> Vec<u8> {
        self.tracker().scrape(self.now(), query)
    }

    /// All swarms as they are now.
    pub fn glance(&self) -> Vec<Glance> {
        self.tracker().glance(self.now())
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
