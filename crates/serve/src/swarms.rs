//! The swarms of what is served: the [tracker](crate::tracker) with a clock, and this server as a
//! [seeder](crate::seeding).

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bootwright_fetch::SeedStatus;

use crate::images::{Catalogue, Image};
use crate::seeding::Seeding;
use crate::tracker::{Announce, Glance, Tracked, Tracker};

/// The tracker of this server.
pub struct Swarms {
    tracker: Mutex<Tracker>,
    started: Instant,
    /// Addresses of this machine.
    own: Vec<IpAddr>,
    seeding: Option<Seeding>,
}

impl Swarms {
    /// Tracks what is in `catalogue`, and gives it out by `seeding`. `own` are addresses of this machine.
    pub fn new(catalogue: &Catalogue, own: Vec<IpAddr>, seeding: Option<Seeding>) -> Self {
        let swarms = Self {
            tracker: Mutex::new(Tracker::new(fastrand::u64(..))),
            started: Instant::now(),
            own,
            seeding,
        };
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
        if let Some(seeding) = &self.seeding {
            seeding.update(catalogue);
        }
    }

    /// Of each image, how this server's own seeder is doing.
    pub fn seeders(&self) -> Vec<(String, SeedStatus)> {
        self.seeding.as_ref().map(Seeding::status).unwrap_or_default()
    }

    /// Leaves all swarms.
    pub async fn stop(&self) {
        if let Some(seeding) = &self.seeding {
            seeding.stop().await;
        }
    }

    /// Answers an announce, see [`Tracker::announce`].
    pub fn announce(&self, from: IpAddr, query: &str) -> Vec<u8> {
        let mut tracker = self.tracker();
        let answer = tracker.announce(self.now(), from, &self.own, query);
        if self.is_our_seeder(from, query) {
            // It comes from one of our addresses and listens at all: clients of the other family want one of theirs.
            for other in self.own.iter().filter(|other| other.is_ipv4() != from.to_canonical().is_ipv4()) {
                tracker.announce(self.now(), from, &self.own, &format!("{query}&ip={other}"));
            }
        }
        answer
    }

    fn is_our_seeder(&self, from: IpAddr, query: &str) -> bool {
        let Some(seeding) = &self.seeding else { return false };
        let port = Announce::parse(query).map(|announce| announce.port);
        self.own.contains(&from.to_canonical()) && port == Ok(seeding.local().port())
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
