//! The survivor's download, attempt after attempt: from the image's server, and from other machines that have it or
//! stream it, too.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bootwright_fetch::{Complete, Error, Handle, Notice, Options};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;
use tracing::debug;

use super::prepared::Prepared;
use crate::failure::Failure;
use crate::report::Reporter;
use crate::root::RETRIES;
use crate::root::progress::Progress;
use crate::share;

/// What the seeder is told when the root is whole.
const WHOLE: u8 = b'w';

/// What every attempt needs.
#[derive(Clone)]
pub struct Fetching {
    prepared: Arc<Prepared>,
    reporter: Reporter,
    options: Options,
    /// The system runs: the console is not ours alone any more.
    entered: Arc<AtomicBool>,
}

/// An attempt that runs.
pub type Attempt = JoinHandle<Result<Complete, Error>>;

impl Fetching {
    /// Of what is `prepared`, with `handle` to talk to it.
    pub fn new(prepared: &Arc<Prepared>, handle: &Handle, reporter: &Reporter) -> Self {
        let mut options = Options::default().with_retries(RETRIES);
        options.handle = Some(handle.clone());
        // A read that comes meanwhile shares the link with what nobody waits for, until that request is through: on
        // a slow link it has to be soon.
        options.span = u64::from(prepared.manifest.chunks.size);
        Self { prepared: Arc::clone(prepared), reporter: reporter.clone(), options, entered: Arc::default() }
    }

    /// Begins to fetch, after `pause`, what is not there yet.
    pub fn begin(&self, pause: Duration) -> Attempt {
        let Self { prepared, reporter, options, entered } = self.clone();
        tokio::spawn(async move {
            sleep(pause).await;
            let mut progress = Progress::new(&prepared.manifest.file).reported_by(&reporter);
            let mut observe = |notice: Notice<'_>| {
                // A line that grows would be written over what the system shows.
                if entered.load(Ordering::Relaxed) {
                    progress.be_quiet();
                }
                progress.notice(&notice);
            };
            let sources = [Arc::clone(&prepared.mirror)];
            let swarm = prepared.swarm.as_ref();
            let fetched = share::fetch(
                &prepared.manifest,
                &sources,
                prepared.store.clone(),
                swarm.map(|swarm| &swarm.listening),
                &options,
                &mut observe,
            );
            let (complete, seeder) = fetched.await?;
            // From here on another process gives it: the one that is told now.
            drop(seeder);
            if let Some(Err(error)) = swarm.map(|swarm| (&swarm.whole).write_all(&[WHOLE])) {
                debug!("nobody goes on giving the root: {error}");
            }
            Ok(complete)
        })
    }

    /// The system has taken over.
    pub fn entered(&self) {
        self.entered.store(true, Ordering::Relaxed);
    }
}

/// What came of an attempt.
pub fn outcome(ended: Result<Result<Complete, Error>, JoinError>) -> Result<Complete, Failure> {
    match ended {
        Ok(Ok(complete)) => Ok(complete),
        Ok(Err(error)) => Err(Failure::of("fetching the root", &error).fetching(&error)),
        Err(error) => Err(Failure::of("fetching the root", &error)),
    }
}
