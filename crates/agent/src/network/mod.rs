//! The network: every wired interface at once, the first that works wins.
//!
//! [`Plan`] is what the command line wants; [`links`] follows the kernel's links. Each interface that
//! the plan allows gets a task: link up, wait for the signal, address by DHCP or as given. The first
//! success is configured; what the others saw is the evidence when there is none. When the image's server cannot
//! be reached from it, it is [left](Configured::leave) for the next one.

mod dhcp;
mod links;
mod names;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::{Duration, Instant};

use bootwright_netboot::dhcp::client::{Config, Want};
use bootwright_netboot::{Mac, Uuid};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep_until, timeout};
use tracing::{debug, info, warn};

use bootwright_plan::network::{Configuration, Method, Plan, Upkeep};
pub use links::Link;

use links::{LinkError, Links};

use crate::devices::Devices;
use crate::failure::{Failure, chain};

/// How long an interface may need to appear: disks spin up, USB is enumerated, firmware is loaded.
const DEVICE_LIMIT: Duration = Duration::from_secs(60);

/// How long a link may need for its signal: spanning tree holds a port back for up to 50 s.
const CARRIER_LIMIT: Duration = Duration::from_secs(60);

/// How long DHCP may take once there is a signal: a port in spanning tree has a signal too.
const DHCP_LIMIT: Duration = Duration::from_secs(60);

/// How long an interface whose server names no image waits for another one whose server does.
const IMAGE_LIMIT: Duration = Duration::from_secs(10);

/// What is asked of the network.
pub struct Wish {
    /// What the command line says.
    pub plan: Plan,
    /// The name of the pinned image, to tell servers.
    pub image: Option<String>,
    /// The machine's SMBIOS UUID, to tell servers.
    pub uuid: Option<Uuid>,
    /// Whether the image's address has to come from DHCP.
    pub want: Want,
    /// Interfaces that had a network, from which the image's server was not to be reached.
    pub passed_over: Vec<Mac>,
}

/// A network that works.
pub struct Network {
    /// By this interface.
    pub link: Link,
    /// With this.
    pub configuration: Configuration,
    /// How the system keeps it.
    pub upkeep: Upkeep,
    /// The URL of the image that a server of ours told.
    pub image: Option<String>,
    /// For the operator: `eth0: 10.0.2.15/24 by DHCP from 10.0.2.2`.
    pub summary: String,
}

/// A network that is configured.
pub struct Configured {
    network: Network,
    /// Other interfaces with a signal that have not been passed over: one of them may lead further.
    pub others: usize,
    links: Links,
    lease: Option<AbortHandle>,
}

impl Deref for Configured {
    type Target = Network;

    fn deref(&self) -> &Network {
        &self.network
    }
}

impl Configured {
    /// Takes the network away from its interface, for another one's sake.
    pub async fn leave(self) {
        if let Some(lease) = self.lease {
            lease.abort();
        }
        let link = &self.network.link;
        if let Err(error) = self.links.forget(link.index).await {
            warn!("{}: {}", link.name, chain(&error));
        }
    }
}

/// What became of one interface: a network (and the lease to keep) or a sentence.
type Outcome = (Link, Result<(Network, Option<dhcp::Session>), String>);

/// Brings the network up.
pub async fn bring_up(wish: Wish, devices: &Devices) -> Result<Configured, Failure> {
    for warning in wish.plan.warnings() {
        warn!("{warning}");
    }
    if wish.plan.is_off() {
        return Err(Failure::new("a network is needed, but ip= on the command line switches it off"));
    }
    let links = Links::open().await.map_err(|error| Failure::of("looking for network interfaces", &error))?;
    let mut search = Search { links, wish, tasks: JoinSet::new(), seen: BTreeMap::new(), fallback: None };
    let (network, session) = match search.run().await {
        Some(found) => found,
        None => return Err(search.failure(devices)),
    };
    search.links.configure(network.link.index, &network.configuration).await.map_err(|error| {
        Failure::of(&format!("configuring {}", network.link.name), &error).with([network.summary.clone()])
    })?;
    let lease = session.map(|session| tokio::spawn(session.keep()).abort_handle());
    let others = search.others(&network.link);
    Ok(Configured { network, others, links: search.links, lease })
}

struct Search {
    links: Links,
    wish: Wish,
    tasks: JoinSet<Outcome>,
    /// By interface number: the name, and what is known of it for the evidence.
    seen: BTreeMap<u32, String>,
    /// A network without an image's address, where one is wanted, and how long it waits for a better one.
    fallback: Option<(Network, Option<dhcp::Session>, Instant)>,
}

impl Search {
    async fn run(&mut self) -> Option<(Network, Option<dhcp::Session>)> {
        let give_up = Instant::now() + DEVICE_LIMIT;
        loop {
            self.start_new();
            let deadline = match &self.fallback {
                Some((_, _, until)) => *until,
                None => give_up,
            };
            let waiting_is_over = self.fallback.is_some() || self.tasks.is_empty();
            tokio::select! {
                () = self.links.changed() => {}
                Some(done) = self.tasks.join_next() => {
                    let Ok((link, outcome)) = done else { continue };
                    match outcome {
                        Ok((network, session)) if self.is_enough(&network) => return Some((network, session)),
                        Ok((network, session)) => {
                            let until = Instant::now() + IMAGE_LIMIT;
                            self.fallback.get_or_insert((network, session, until));
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

    fn take_fallback(&mut self) -> Option<(Network, Option<dhcp::Session>)> {
        self.fallback.take().map(|(network, session, _)| (network, session))
    }

    fn is_enough(&self, network: &Network) -> bool {
        self.wish.want == Want::Address || network.image.is_some()
    }

    /// A task for every interface that has come up since the last time.
    fn start_new(&mut self) {
        for link in self.links.list() {
            if self.seen.contains_key(&link.index) {
                continue;
            }
            let state = format!("{} ({})", link.name, link.mac);
            if self.wish.passed_over.contains(&link.mac) {
                self.seen
                    .insert(link.index, format!("{state}: the image's server cannot be reached from it"));
                continue;
            }
            let names = names::of(&link.name, link.mac);
            let Some(method) = self.wish.plan.method(&names, link.mac) else {
                debug!("{state} is not wanted");
                self.seen.insert(
                    link.index,
                    format!("{state}: passed over, wanted is {}", self.wish.plan.wanted()),
                );
                continue;
            };
            self.seen.insert(link.index, format!("{state}: not ready yet"));
            let task = Attempt { links: self.links.clone(), config: self.config(link.mac), link, method };
            let nameservers = self.wish.plan.nameservers().to_vec();
            self.tasks.spawn(async move {
                let link = task.link.clone();
                let outcome = task.run().await.map(|(mut network, session)| {
                    network.configuration.dns.splice(0..0, nameservers);
                    (network, session)
                });
                (link, outcome)
            });
        }
    }

    fn others(&self, taken: &Link) -> usize {
        let may_lead_further = |link: &&Link| {
            let wanted = || self.wish.plan.method(&names::of(&link.name, link.mac), link.mac).is_some();
            link.mac != taken.mac && link.carrier && !self.wish.passed_over.contains(&link.mac) && wanted()
        };
        self.links.list().iter().filter(may_lead_further).count()
    }

    fn config(&self, mac: Mac) -> Config {
        let Wish { image, uuid, want, .. } = &self.wish;
        Config { mac, uuid: *uuid, image: image.clone(), want: *want, seed: fastrand::u64(..) }
    }

    fn failure(&self, devices: &Devices) -> Failure {
        let cause = match self.seen.len() {
            0 => format!("no network interface appeared in {} s", DEVICE_LIMIT.as_secs()),
            _ => "no network: none of the interfaces works".to_owned(),
        };
        Failure::new(cause).with(self.seen.values().cloned()).with(devices.evidence())
    }
}

struct Attempt {
    links: Links,
    link: Link,
    method: Method,
    config: Config,
}

impl Attempt {
    async fn run(self) -> Result<(Network, Option<dhcp::Session>), String> {
        let Self { links, link, method, config } = self;
        let told = |error: &LinkError| chain(error);
        let started = Instant::now();
        links.up(link.index).await.map_err(|error| told(&error))?;
        if !links.wait_for_carrier(link.index, CARRIER_LIMIT).await {
            return Err(format!(
                "no signal in {} s: is the cable in and the switch port on?",
                CARRIER_LIMIT.as_secs()
            ));
        }
        debug!("{}: signal after {:.1} s", link.name, started.elapsed().as_secs_f32());
        match method {
            Method::Static(configuration) => {
                let summary =
                    format!("{}: {}/{} as given", link.name, configuration.address, configuration.prefix);
                Ok((Network { link, configuration, upkeep: Upkeep::Static, image: None, summary }, None))
            }
            Method::Dhcp { mtu } => {
                let mut session = dhcp::Session::open(&link.name, config).map_err(|error| chain(&error))?;
                let lease = session.acquire(DHCP_LIMIT).await.map_err(|error| chain(&error))?;
                let configuration = dhcp::configuration(&lease, mtu);
                let summary = format!(
                    "{}: {}/{} by DHCP from {}",
                    link.name, lease.address, lease.prefix, lease.server
                );
                let network =
                    Network { link, configuration, upkeep: Upkeep::Dhcp, image: lease.image, summary };
                Ok((network, Some(session)))
            }
        }
    }
}

/// Waits for `work`, which is told to the operator when it takes long.
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut work = std::pin::pin!(work);
    match timeout(PATIENCE, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            info!("still waiting for {what}");
            work.await
        }
    }
}
