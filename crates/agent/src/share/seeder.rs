//! The survivor that gives the root to other machines: `@bootwright-seed`.
//!
//! It has the root's file, open for reading, and the socket on which the boot listened already, and it sees
//! nothing else of the machine: see [`survive`]. Where another process still fetches the root, it has a pipe as well,
//! and waits for the byte that says that the root is whole. It ends when its time is over, when it is told to (SIGTERM), and
//! when the file cannot be read any more; the tracker hears of it, and the server is told what it gave.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{Client, LocalDiscovery, PeerOptions, Port, ReadOnly, SeedStatus, Seeder, Trust};
use bootwright_image::timeline::{Report, Stage};
use bootwright_image::{Digest, RootManifest};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info, warn};
use url::Url;

use crate::failure::chain;
use crate::log;
use crate::network::Way;
use crate::report::{self, Spool, send};
use crate::survive::{self, Rights};

/// The name of this role on the command line.
pub const ROLE: &str = "seed";

/// Peers at one time: each may hold a few hundred KiB, in a machine that has other things to do.
const CONNECTIONS: usize = 40;

/// Threads that read the file, which lies in memory: one works while another is waited for.
const READERS: usize = 2;

/// The stack of one of them: it does one read.
const STACK: usize = 128 << 10;

/// How often it is asked whether it can still give.
const LOOK: Duration = Duration::from_secs(10);

/// How long the last report may take.
const LAST_REPORT: Duration = Duration::from_secs(3);

/// What the worker tells its survivor.
#[derive(Serialize, Deserialize)]
pub struct Orders {
    /// The root manifest.
    pub manifest: String,
    /// Its digest.
    pub digest: Digest,
    /// Announce URLs.
    pub trackers: Vec<Url>,
    /// Bytes a second to peers, at most.
    pub upload: u64,
    /// Seconds until it ends.
    pub lifetime: u64,
    /// How the tracker and the server are reached.
    pub way: Way,
    /// Who we are, and who is told.
    pub spool: Spool,
}

/// Runs the survivor.
pub fn run() -> ExitCode {
    log::start_in_system();
    match seed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!("the seeder: {}", chain(&*problem));
            ExitCode::from(3)
        }
    }
}

fn seed() -> Result<(), Box<dyn std::error::Error>> {
    let extra_pem = fs::read(send::CA_IN_SYSTEM).ok();
    let (orders, files) = survive::begin::<Orders>()?.settle(Rights::Nobody)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READERS)
        .thread_stack_size(STACK)
        .build()?;
    runtime.block_on(give(orders, files, &Trust { extra_pem }))
}

async fn give(orders: Orders, files: Vec<OwnedFd>, trust: &Trust) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let manifest = RootManifest::verify(orders.manifest.as_bytes(), &orders.digest)?;
    let mut files = files.into_iter();
    let root = survive::file(&mut files)?;
    let listener = TcpListener::from(OwnedFd::from(survive::file(&mut files)?));
    if let Some(pipe) = files.next() {
        let mut pipe = pipe::Receiver::from_owned_fd(pipe)?;
        let whole = tokio::select! {
            _ = terminate.recv() => false,
            read = pipe.read_u8() => read.is_ok(),
        };
        if !whole {
            info!("the root has not become whole: there is nothing to give");
            return Ok(());
        }
    }
    let ends = Instant::now() + Duration::from_secs(orders.lifetime);
    let client = Arc::new(orders.way.client(trust)?);
    let mut options = PeerOptions::new(Port::over(vec![listener])?, Arc::clone(&client), None);
    options.trackers = vec![orders.trackers];
    options.local = LocalDiscovery::On;
    options.upload_rate = Some(orders.upload);
    options.connections = CONNECTIONS;
    let store = ReadOnly::new(manifest.file.clone(), Arc::new(root));
    let seeder = Seeder::machine(&manifest, Arc::new(store), options);
    drop(manifest);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            () = sleep_until(ends) => break,
            () = tokio::time::sleep(LOOK) => {
                if let Some(problem) = seeder.status().broken {
                    warn!("the seeder: {problem}");
                    break;
                }
            }
        }
    }
    let text = account(&seeder.status());
    info!("{text}");
    // Peers learn of it first: the machine may be on its way down.
    let told = async { tokio::join!(seeder.stop(), tell(&client, orders.spool, &text)) };
    let _ = timeout(LAST_REPORT, told).await;
    Ok(())
}

fn account(status: &SeedStatus) -> String {
    let machines = status.peers.iter().filter(|peer| peer.sent > 0).count();
    format!("seeding ends: {} MiB went to {machines} peers", status.uploaded >> 20)
}

async fn tell(client: &Client, spool: Spool, text: &str) {
    let Some(url) = spool.url else { return };
    let events = vec![report::happened(Stage::System, text, None)];
    let report = Report { machine: spool.machine, image: spool.image, events, progress: None };
    if let Err(problem) = send::post(client, &url, &report).await {
        warn!("the seeder's last report: {}", chain(&problem));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_says_what_was_given() {
        let status = SeedStatus { uploaded: (7 << 20) + 5, ..SeedStatus::default() };
        assert_eq!(account(&status), "seeding ends: 7 MiB went to 0 peers");
    }
}
