//! All interfaces at once, until one works.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bootwright_image::timeline::Step;
use bootwright_netboot::Mac;
use bootwright_netboot::dhcp::client::{Config, Want};
use bootwright_plan::network::{Purpose, Setting};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::{debug, warn};

use super::attempt::{Attempt, Outcome, Session};
use super::layers::{self, Layers};
use super::links::{Link, Links};
use super::{Network, Wish, candidate};
use crate::devices::Devices;
use crate::failure::{Failure, interface};

/// How long an interface whose server names no image waits for another one whose server does.
const IMAGE_LIMIT: Duration = Duration::from_secs(10);

/// A network that works, and the lease to keep where there is one.
type Found = (Network, Option<Session>);

/// The interfaces, and what became of each.
pub struct Search {
    /// The links as they are.
    pub links: Links,
    wish: Wish,
    layers: Layers,
    tasks: JoinSet<(Link, Outcome)>,
    /// By interface number: the name, and what is known of it for the evidence.
    seen: BTreeMap<u32, String>,
    /// A network without an image's address, where one is wanted, and how long it waits for a better one.
    fallback: Option<(Found, Instant)>,
}

impl Search {
    /// Of what `wish` asks for.
    pub fn new(links: Links, wish: Wish) -> Self {
        let (layers, tasks, seen) = (Layers::default(), JoinSet::new(), BTreeMap::new());
        Self { links, wish, layers, tasks, seen, fallback: None }
    }

    /// Tries every interface that the plan allows; `None` when none works.
    pub async fn run(&mut self, devices: &Devices) -> Option<Found> {
        let give_up = Instant::now() + self.wish.plan.limits.device;
        loop {
            self.layers.grow(&self.links, &self.wish.plan, devices).await;
            self.start_new();
            let deadline = self.fallback.as_ref().map_or(give_up, |(_, until)| *until);
            let waiting_is_over = self.fallback.is_some() || self.tasks.is_empty();
            tokio::select! {
                () = self.links.changed() => {}
                Some(done) = self.tasks.join_next() => {
                    let Ok((link, outcome)) = done else { continue };
                    match outcome {
                        Ok(found) if self.is_enough(&found.0) => return Some(found),
                        Ok(found) => {
                            self.fallback.get_or_insert((found, Instant::now() + IMAGE_LIMIT));
                        }
                        Err(text) => {
                            warn!("{}: {text}", link.name);
                            self.seen.insert(link.index, format!("{} ({}): {text}", link.name, link.mac));
                        }
                    }
                    if self.tasks.is_empty() && self.fallback.is_some() {
                        return self.take_fallback();
                    }
                    if self.tasks.is_empty() && Instant::now() >= give_up {
                        return None;
                    }
                }
                () = sleep_until(deadline.into()), if waiting_is_over => return self.take_fallback(),
            }
        }
    }

    fn take_fallback(&mut self) -> Option<Found> {
        self.fallback.take().map(|(found, _)| found)
    }

    fn is_enough(&self, network: &Network) -> bool {
        self.wish.want == Want::Address || network.image.is_some()
    }

    /// A task for every interface that has come up since the last time.
    fn start_new(&mut self) {
        for link in self.links.list() {
            let candidate = candidate(&link);
            if self.seen.contains_key(&link.index) || !self.layers.is_whole(&candidate, &self.wish.plan) {
                continue;
            }
            let state = format!("{} ({})", link.name, link.mac);
            if self.wish.passed_over.contains(&link.mac) {
                let text = format!("{state}: the image's server cannot be reached from it");
                self.seen.insert(link.index, text);
                continue;
            }
            let state = match self.wish.plan.purpose(&candidate) {
                Purpose::Use(setting) => {
                    self.start(link.clone(), setting);
                    format!("{state}: not ready yet")
                }
                Purpose::Below(name) => format!("{state}: below {name}"),
                Purpose::None => {
                    debug!("{state} is not wanted");
                    format!("{state}: passed over, wanted is {}", self.wish.plan.wanted())
                }
            };
            self.seen.insert(link.index, state);
        }
    }

    fn start(&mut self, link: Link, setting: Setting) {
        let mac = layers::current_mac(&link.name).unwrap_or(link.mac);
        let link = Link { mac, ..link };
        let task = Attempt {
            links: self.links.clone(),
            config: self.config(setting.mac.unwrap_or(mac)),
            limits: self.wish.plan.limits,
            made: self.layers.what_is(&link.name, &self.wish.plan),
            link: link.clone(),
            setting,
        };
        let plan = self.wish.plan.clone();
        self.tasks.spawn(async move {
            let outcome = task.run().await.map(|(mut network, session)| {
                plan.name_servers(&mut network.configuration.dns);
                network.configuration.routes.extend(plan.routes(&candidate(&link)));
                (network, session)
            });
            (link, outcome)
        });
    }

    /// How many others have a signal and may lead further than the one that is `taken`.
    pub fn others(&self, taken: &Link) -> usize {
        let may_lead_further = |link: &&Link| {
            let wanted = || matches!(self.wish.plan.purpose(&candidate(link)), Purpose::Use(_));
            link.mac != taken.mac && link.carrier && !self.wish.passed_over.contains(&link.mac) && wanted()
        };
        self.links.list().iter().filter(may_lead_further).count()
    }

    fn config(&self, mac: Mac) -> Config {
        let Wish { image, uuid, want, .. } = &self.wish;
        Config { mac, uuid: *uuid, image: image.clone(), want: *want, seed: fastrand::u64(..) }
    }

    /// Why there is no network.
    pub fn failure(&self, devices: &Devices) -> Failure {
        let cause = match self.seen.len() {
            0 => format!("no network interface appeared in {} s", self.wish.plan.limits.device.as_secs()),
            _ => "no network: none of the interfaces works".to_owned(),
        };
        let tried = self.seen.values().cloned().chain(self.layers.evidence(&self.wish.plan));
        Failure::new(cause).at(Step::Network).with(tried.map(interface)).with(devices.evidence())
    }
}
