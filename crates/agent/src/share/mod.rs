//! This machine as one of a fleet: what it takes from the others and gives to them.
//!
//! [`Peering`] is its part in the swarm while it fetches. When the root is there and mounted, [`leave_seeder`]
//! hands the listening socket and the root's file to a [survivor](crate::survive), which goes on giving in the
//! running system: [`seeder`].

pub mod seeder;
mod unit;

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{Client, LocalDiscovery, PeerOptions, Port, Seeder};
use bootwright_image::Digest;
use bootwright_image::cmdline::{BootOptions, Rate, Seed};
use tracing::{info, warn};
use url::Url;

use crate::failure::chain;
use crate::network::Way;
use crate::report::Spool;
use crate::survive;

use seeder::Orders;

/// The TCP port of BitTorrent: one that a firewall can be told, the same on every machine.
const PORT: u16 = 6881;

/// Where the tracker is at the server an image comes from.
const ANNOUNCE: &str = "/announce";

/// Bytes a second that a running system gives at most, unless the line says otherwise: a quarter of a gigabit link.
/// The rest is for what the machine is there for.
const UPLOAD: Rate = Rate(32 << 20);

/// The longest wait before the first request: machines that were switched on by one command come spread over it.
const SPREAD: Duration = Duration::from_millis(150);

/// What the command line says about sharing.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// While the root is fetched.
    pub upload: Option<Rate>,
    /// Afterwards.
    pub seed: Seed,
}

impl Terms {
    /// `None` when nothing is to be shared.
    pub fn of(options: &BootOptions) -> Option<Self> {
        (!options.peers_off).then_some(Self { upload: options.upload, seed: options.seed })
    }
}

/// A moment that is different on each machine.
pub async fn spread() {
    tokio::time::sleep(SPREAD.mul_f64(fastrand::f64())).await;
}

/// The part that this machine takes in the swarm of its root.
pub struct Peering {
    /// What it does there.
    pub options: PeerOptions,
    /// Its socket, which the seeder takes over.
    listener: TcpListener,
}

impl Peering {
    /// Joins the swarm of what lies at `file`: the tracker is that of the same server, and peers on this network
    /// are looked for as well, so that machines find each other when the server is gone.
    pub fn join(client: &Arc<Client>, file: &Url, terms: Terms) -> io::Result<Self> {
        let listener = Port::socket(PORT).or_else(|_| Port::socket(0))?;
        let port = Port::over(vec![listener.try_clone()?])?;
        let tracker = file.join(ANNOUNCE).ok();
        let mut options = PeerOptions::new(port, Arc::clone(client), tracker);
        options.local = LocalDiscovery::On;
        options.upload_rate = terms.upload.map(|rate| rate.0);
        Ok(Self { options, listener })
    }
}

/// A root that is there, and that others are given.
pub struct Shared {
    /// Gives it, until the survivor does.
    pub seeder: Seeder,
    /// Where peers connect to.
    pub listener: TcpListener,
    /// The root manifest as it was fetched, and its digest.
    pub manifest: Vec<u8>,
    /// See there.
    pub digest: Digest,
    /// Announce URLs.
    pub trackers: Vec<Url>,
}

impl Shared {
    /// What becomes of `peering` when all bytes are there.
    pub fn new(peering: Listening, seeder: Seeder, manifest: Vec<u8>, digest: Digest) -> Self {
        let Listening { listener, trackers } = peering;
        Self { seeder, listener, manifest, digest, trackers }
    }
}

/// What of a [`Peering`] outlives the download.
pub struct Listening {
    listener: TcpListener,
    trackers: Vec<Url>,
}

impl Peering {
    /// Takes it apart: for the download, and for afterwards.
    pub fn split(self) -> (PeerOptions, Listening) {
        let trackers = self.options.trackers.iter().flatten().cloned().collect();
        (self.options, Listening { listener: self.listener, trackers })
    }
}

/// Leaves a process in the system that gives the root at `path` to others, as `terms` say. The system boots
/// without it, too: what goes wrong is a warning. Gives a line for the report.
pub async fn leave_seeder(
    shared: Shared,
    path: &Path,
    terms: Terms,
    way: &Way,
    spool: Spool,
) -> Option<String> {
    let Seed::For(lifetime) = terms.seed else {
        return Some("gives nothing to other machines from here on (bootwright.seed=off)".into());
    };
    let upload = terms.upload.unwrap_or(UPLOAD);
    let Shared { seeder, listener, manifest, digest, trackers } = shared;
    let manifest = String::from_utf8(manifest).ok()?;
    let orders = Orders {
        manifest,
        digest,
        trackers,
        upload: upload.0,
        lifetime: lifetime.as_secs(),
        way: way.clone(),
        spool,
    };
    // Connections end here; peers come back to the same port, where the survivor listens from now on.
    drop(seeder);
    let path = path.to_owned();
    let start = move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let root = File::open(&path)?;
        let pid = survive::start(seeder::ROLE, &orders, &[root.as_fd(), listener.as_fd()])?;
        fs::write(unit::PID_FILE, format!("{pid}\n"))?;
        Ok(unit::install()?)
    };
    match tokio::task::spawn_blocking(start).await {
        Ok(Ok(())) => {
            let minutes = lifetime.as_secs().div_ceil(60);
            let text = format!("goes on giving the root to others for {minutes} min, at most {upload}");
            info!("{text}");
            Some(text)
        }
        Ok(Err(error)) => {
            warn!("this machine gives nothing to others in the system: {}", chain(&*error));
            None
        }
        Err(error) => {
            warn!("this machine gives nothing to others in the system: {error}");
            None
        }
    }
}
