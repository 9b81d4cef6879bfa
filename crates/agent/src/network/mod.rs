//! The network: every wired interface at once, the first that works wins.
//!
//! [`Plan`] is what the command line wants; [`links`] follows the kernel's links, [`layers`] makes bonds and VLANs
//! out of them. Each interface that the plan allows gets an [`attempt`]: link up, wait for the signal, address by
//! DHCP, by routers or as given. The first success is configured; what the others saw is the evidence when there
//! is none ([`search`]). When the image's server cannot be reached from it, it is [left](Configured::leave) for the
//! next one.

mod attempt;
mod dhcp;
mod dhcp6;
pub mod ibft;
mod layers;
mod links;
mod names;
mod routers;
mod search;
mod way;

use std::ops::Deref;
use std::time::Duration;

use bootwright_image::timeline::Step;
use bootwright_netboot::dhcp::client::Want;
use bootwright_netboot::{Mac, Uuid};
use bootwright_plan::network::{Bond, Candidate, Configuration, Plan, Upkeep, Vlan};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::{info, warn};

pub use links::Link;
pub use way::{Way, by_proxy};

use links::Links;
use search::Search;

use crate::devices::Devices;
use crate::failure::{Failure, chain, interface};

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

/// What an interface is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// It is a card.
    Card,
    /// Of the frames of another one that have its tag.
    Vlan {
        /// Its name and tag.
        vlan: Vlan,
        /// The kernel's name of the other one.
        parent: String,
        /// Its address.
        parent_mac: Mac,
        /// And what that is made of.
        below: Box<Made>,
    },
    /// Of several cards.
    Bond {
        /// Its name and options.
        bond: Bond,
        /// The kernel's names of the cards, and their own addresses.
        members: Vec<(String, Mac)>,
    },
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
    /// What the interface is made of.
    pub made: Made,
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
        if let Err(error) = self.links.forget(link.index, &self.network.configuration).await {
            warn!("{}: {}", link.name, chain(&error));
        }
    }
}

/// The interface as a plan looks at it.
fn candidate(link: &Link) -> Candidate {
    Candidate { names: names::of(&link.name, link.mac), mac: link.mac }
}

/// Brings the network up.
pub async fn bring_up(wish: Wish, devices: &Devices) -> Result<Configured, Failure> {
    for warning in wish.plan.warnings() {
        warn!("{warning}");
    }
    if wish.plan.is_off() {
        return Err(Failure::new("a network is needed, but ip= on the command line switches it off")
            .at(Step::Network));
    }
    let made = wish.plan.made().map(str::to_owned).collect();
    let links =
        Links::open(made).await.map_err(|error| Failure::of("looking for network interfaces", &error))?;
    let mut search = Search::new(links, wish);
    let (network, session) = match search.run(devices).await {
        Some(found) => found,
        None => return Err(search.failure(devices)),
    };
    fit_mtu(&search.links, &network).await;
    search.links.configure(network.link.index, &network.configuration).await.map_err(|error| {
        Failure::of(&format!("configuring {}", network.link.name), &error)
            .at(Step::Network)
            .with([interface(network.summary.clone())])
    })?;
    let lease = session.map(|session| tokio::spawn(session.keep()).abort_handle());
    let others = search.others(&network.link);
    Ok(Configured { network, others, links: search.links, lease })
}

/// Sets the MTU, from the card upwards: what is made of an interface takes no more than that. A card that refuses is
/// used as it is.
async fn fit_mtu(links: &Links, network: &Network) {
    let Some(mtu) = network.configuration.mtu else { return };
    let mut names = vec![network.link.name.as_str()];
    let mut made = &network.made;
    while let Made::Vlan { parent, below, .. } = made {
        names.push(parent);
        made = below;
    }
    for link in names.iter().rev().filter_map(|name| links.list().into_iter().find(|link| link.name == *name))
    {
        // Other VLANs of the card may need what it has.
        let is_below = link.index != network.link.index;
        if is_below && layers::current_mtu(&link.name).is_some_and(|current| current >= mtu) {
            continue;
        }
        if let Err(error) = links.set_mtu(link.index, mtu).await {
            warn!("{}: {}: its MTU stays", link.name, chain(&error));
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
