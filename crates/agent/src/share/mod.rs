//! This machine as one of a fleet: what it takes from the others and gives to them.
//!
//! While it [fetches](fetch()) it gives what it has. When the root is mounted, [`leave_seeder`] hands the
//! [listening socket](Listening) and the root's file to a [survivor](crate::survive), which goes on giving in the
//! running system: [`seeder`]. In mode `stream`, where the root is mounted before it is there, that one waits until
//! the block server has it whole.

pub mod seeder;
mod unit;

use std::fs::{self, File};
use std::io::{self, PipeReader};
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{
    Client, Complete, Error, LocalDiscovery, Observer, Options, PeerOptions, Port, Seeder, Source, Store,
    fetch_with_peers,
};
use bootwright_image::cmdline::{BootOptions, Rate, Seed};
use bootwright_image::{Digest, RootManifest, Verified};
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

/// The socket on which this machine listens to others of the swarm of its root, from the first chunk until the
/// seeder ends, whichever process has it.
pub struct Listening {
    client: Arc<Client>,
    listener: TcpListener,
    /// Announce URLs.
    trackers: Vec<Url>,
    /// Bytes a second.
    upload: Option<u64>,
}

impl Listening {
    /// In the swarm of what lies at `file`: the tracker is that of the same server, and peers on this network
    /// are looked for as well, so that machines find each other when the server is gone.
    pub fn begin(client: &Arc<Client>, file: &Url, terms: Terms) -> io::Result<Self> {
        let listener = Port::socket(PORT).or_else(|_| Port::socket(0))?;
        Ok(Self::over(client, listener, file, terms.upload.map(|rate| rate.0)))
    }

    /// The same on a socket of another process.
    pub fn over(client: &Arc<Client>, listener: TcpListener, file: &Url, upload: Option<u64>) -> Self {
        let trackers = file.join(ANNOUNCE).into_iter().collect();
        Self { client: Arc::clone(client), listener, trackers, upload }
    }

    /// The socket.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    fn options(&self) -> io::Result<PeerOptions> {
        let port = Port::over(vec![self.listener.try_clone()?])?;
        let mut options = PeerOptions::new(port, Arc::clone(&self.client), None);
        options.trackers = vec![self.trackers.clone()];
        options.local = LocalDiscovery::On;
        options.upload_rate = self.upload;
        Ok(options)
    }
}

/// Fetches a root from `sources`, and with a `swarm` from other machines, which then go on being given it.
pub async fn fetch(
    manifest: &Verified<RootManifest>,
    sources: &[Arc<dyn Source>],
    store: Arc<dyn Store>,
    swarm: Option<&Listening>,
    options: &Options,
    observe: Observer<'_>,
) -> Result<(Complete, Option<Seeder>), Error> {
    let peers = swarm.map(Listening::options).transpose().unwrap_or_else(|error| {
        warn!("no port for other machines: {error}: the root comes from its server alone");
        None
    });
    match peers {
        None => Ok((bootwright_fetch::fetch(manifest, sources, store, options, observe).await?, None)),
        Some(peers) => {
            let fetched = fetch_with_peers(manifest, sources, store, peers, options, observe).await?;
            Ok((fetched.0, Some(fetched.1)))
        }
    }
}

/// A root that others are given when it is there.
pub struct Shared {
    /// Where they connect to.
    pub listening: Listening,
    /// Who gives it until the survivor does.
    pub until_then: Giver,
    /// The root manifest as it was fetched.
    pub manifest: Vec<u8>,
    /// Its digest.
    pub digest: Digest,
}

/// Who gives a root before the survivor does.
pub enum Giver {
    /// This process, and every byte of it is there.
    Us(Seeder),
    /// The process that still fetches it, and says so at the other end when every byte is there.
    Another(PipeReader),
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
    let Shared { listening, until_then, manifest, digest } = shared;
    let manifest = String::from_utf8(manifest).ok()?;
    let orders = Orders {
        manifest,
        digest,
        trackers: listening.trackers.clone(),
        upload: upload.0,
        lifetime: lifetime.as_secs(),
        way: way.clone(),
        spool,
    };
    let whole = match until_then {
        Giver::Us(seeder) => {
            // Connections end here; peers come back to the same port, where the survivor listens from now on.
            drop(seeder);
            None
        }
        Giver::Another(pipe) => Some(pipe),
    };
    let (path, later) = (path.to_owned(), whole.is_some());
    let start = move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let root = File::open(&path)?;
        let mut files = vec![root.as_fd(), listening.socket()];
        files.extend(whole.as_ref().map(|pipe| pipe.as_fd()));
        let pid = survive::start(seeder::ROLE, &orders, &files)?;
        fs::write(unit::PID_FILE, format!("{pid}\n"))?;
        Ok(unit::install()?)
    };
    match tokio::task::spawn_blocking(start).await {
        Ok(Ok(())) => {
            let minutes = lifetime.as_secs().div_ceil(60);
            let text = match later {
                false => format!("goes on giving the root to others for {minutes} min, at most {upload}"),
                true => {
                    format!("gives the root to others for {minutes} min when it is whole, at most {upload}")
                }
            };
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
