//! A swarm on a real network: sockets and tasks around the [policy](super::policy) and the
//! [wire protocol](super::wire).
//!
//! A [`Port`] listens for all swarms of a program. Each swarm has a [hub](Hub): it owns the policy, takes in
//! what the [links](link) to its peers tell, and carries out what the policy says. A link is two tasks, one
//! that reads and one that writes; a bounded channel to the hub holds back a sender that is faster than we
//! are. Addresses come from [trackers](super::announce), [local discovery](super::local) and the caller.

mod book;
mod dial;
mod hub;
mod introduce;
mod link;
mod metadata;
mod port;

use std::net::SocketAddr;
use std::sync::Arc;

use bootwright_image::torrent::Info;
use url::Url;

pub use hub::PeerShare;
pub(crate) use hub::{Hub, Turn};
pub use metadata::{METADATA_HOPE, fetch_metadata};
pub use port::Port;

use super::policy::Manners;
use crate::http::Client;
use crate::layout::Layout;
use crate::store::Store;

/// Connections that one swarm holds: the mesh of a small fleet, and enough choice in a large one.
pub const CONNECTIONS: usize = 80;

/// Of them, so many begun by us; more are taken when others begin them.
pub const DIALLED: usize = 40;

/// How a machine takes part in a swarm.
#[derive(Clone)]
pub struct PeerOptions {
    /// Where peers connect to.
    pub port: Arc<Port>,
    /// Asks the trackers.
    pub client: Arc<Client>,
    /// Announce URLs, in tiers (BEP 12).
    pub trackers: Vec<Vec<Url>>,
    /// Peers that are known already.
    pub peers: Vec<SocketAddr>,
    /// Whether peers on this network are looked for (BEP 14).
    pub local: LocalDiscovery,
    /// Most bytes a second to peers; none for no limit.
    pub upload_rate: Option<u64>,
    /// See [`CONNECTIONS`].
    pub connections: usize,
}

/// Whether peers on the local network are looked for by multicast (BEP 14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalDiscovery {
    /// They are.
    On,
    /// They are not.
    Off,
}

impl PeerOptions {
    /// A part in the swarm that one tracker knows.
    pub fn new(port: Arc<Port>, client: Arc<Client>, tracker: Option<Url>) -> Self {
        Self {
            port,
            client,
            trackers: tracker.map(|tracker| vec![tracker]).into_iter().collect(),
            peers: Vec::new(),
            local: LocalDiscovery::Off,
            upload_rate: None,
            connections: CONNECTIONS,
        }
    }
}

/// The file that a swarm is about.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) info: Arc<Info>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) manners: Manners,
}
