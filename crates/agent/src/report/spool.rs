//! What is still to be told when the worker is gone: `/run/bootwright/report.json`.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use bootwright_image::timeline::{Event, MachineId, Report, Stage};
use bootwright_plan::proxy::Proxy;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{FIRST_WAIT, LONGEST_WAIT, send};

/// Where it lies; /run moves into the system.
pub const SPOOL: &str = "/run/bootwright/report.json";

/// Who tells what to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spool {
    /// Where reports go; absent when nobody is to be told.
    pub url: Option<Url>,
    /// This machine.
    pub machine: MachineId,
    /// Its image.
    pub image: Option<String>,
    /// Through whom the server is asked.
    pub proxy: Option<Proxy>,
    /// What has not been told yet.
    pub pending: Vec<Event>,
}

/// Why nothing was told.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// No spool.
    #[error("reading {SPOOL}")]
    Read(#[source] io::Error),
    /// A spool that is none.
    #[error("{SPOOL} is malformed")]
    Malformed(#[source] serde_json::Error),
    /// This machine was booted without a server.
    #[error("no server is known that wants reports")]
    Nobody,
    /// The program could not set itself up.
    #[error("preparing to send")]
    Setup(#[source] io::Error),
    /// The server did not take it.
    #[error("reporting to {url} failed for {} s", .tried.as_secs())]
    Send {
        /// Where to.
        url: String,
        /// For so long.
        tried: Duration,
        /// The last failure.
        source: send::SendError,
    },
}

impl Spool {
    /// Writes it down for a process that comes later.
    pub fn save(&self) -> io::Result<()> {
        fs::create_dir_all("/run/bootwright")?;
        // A proxy may have a password.
        let file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(SPOOL);
        file?.write_all(&serde_json::to_vec(self)?)
    }
}

/// Tells the server the pending events and one more, for at most `limit`.
pub fn tell(stage: Stage, text: String, limit: Duration) -> Result<(), TellError> {
    let mut spool: Spool =
        serde_json::from_slice(&fs::read(SPOOL).map_err(TellError::Read)?).map_err(TellError::Malformed)?;
    let url = spool.url.clone().ok_or(TellError::Nobody)?;
    spool.pending.push(super::happened(stage, &text, None));
    let (machine, image) = (spool.machine.clone(), spool.image.clone());
    let report = Report { machine, image, events: spool.pending, progress: None };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TellError::Setup)?;
    runtime.block_on(tell_patiently(&url, spool.proxy.as_ref(), &report, limit))?;
    spool.pending = Vec::new();
    // Told twice is better than not at all: a spool that stays is no failure.
    let _ = spool.save();
    Ok(())
}

async fn tell_patiently(
    url: &Url,
    proxy: Option<&Proxy>,
    report: &Report,
    limit: Duration,
) -> Result<(), TellError> {
    let started = Instant::now();
    let mut wait = FIRST_WAIT;
    loop {
        // The name servers of the system may still be coming: they are read anew each time.
        let result = match send::client_of_system(proxy) {
            Ok(client) => send::post(&client, url, report).await,
            Err(error) => Err(error),
        };
        let Err(source) = result else { return Ok(()) };
        if started.elapsed() + wait > limit {
            return Err(TellError::Send { url: url.to_string(), tried: started.elapsed(), source });
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
