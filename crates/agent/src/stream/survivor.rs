//! The process behind the device: it fetches, answers the kernel, and steps back when everything is there.

use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bootwright_fetch::{Complete, Handle};
use bootwright_image::cmdline::OnFailure;
use bootwright_image::timeline::{Stage, Step};
use tokio::task::JoinError;
use tokio::time::interval;
use tracing::{debug, error, info, warn};

use super::blocks::{Blocks, BlocksError};
use super::fetching::{self, Fetching};
use super::prepared::Prepared;
use super::trace::{Trace, Waits};
use super::worker::{Parting, Worker};
use super::{Orders, PATIENCE, Word, give_up, habits, mapping, pace};
use crate::failure::Failure;
use crate::instructions;
use crate::log::{self, Verbosity};
use crate::report::Reporter;
use crate::root::account;
use crate::survive::{self, Rights, SurviveError};

/// The pause between two attempts when the system runs.
const PAUSE: Duration = Duration::from_secs(15);

/// A read that waits so long is told of, and again each time that the wait has doubled.
const WORTH_A_WORD: Duration = Duration::from_secs(10);

/// How often it is looked whether reads wait.
const LOOK: Duration = Duration::from_secs(1);

/// A tenth of a processor when the system wants all of it.
const NICE: i32 = 10;

/// How long the last reports may take.
const LAST_REPORTS: Duration = Duration::from_secs(15);

/// Runs the survivor.
pub fn run() -> ExitCode {
    let instructions = instructions::read();
    log::start(if instructions.options.debug { Verbosity::Debug } else { Verbosity::Normal });
    std::panic::set_hook(Box::new(|panic| error!("the block server failed: {panic}")));
    match settle() {
        Ok((orders, prepared, channel)) => live(orders, prepared, channel, instructions.options.on_failure),
        Err(failure) => {
            error!("{}", failure.cause);
            ExitCode::FAILURE
        }
    }
}

fn settle() -> Result<(Orders, Prepared, OwnedFd), Failure> {
    let failed = |error: SurviveError| Failure::of("the block server", &error);
    let begun = survive::begin::<Orders>().map_err(failed)?;
    let prepared = Prepared::new(&begun.orders)?;
    let (orders, files) = begun.settle(Rights::Devices).map_err(failed)?;
    let mut files = files.into_iter();
    let channel = survive::file(&mut files).map_err(failed)?;
    let prepared = prepared.sharing(files, orders.upload);
    // Verifying what nobody waits for would keep the system from its processors. Whoever waits for a read leaves them to us.
    if let Err(error) = rustix::process::nice(NICE) {
        debug!("nice: {error}");
    }
    // The memory that it needs is not to be had by writing to what it serves.
    if let Err(error) = rustix::process::configure_io_flusher_behavior(true) {
        debug!("PR_SET_IO_FLUSHER: {error}");
    }
    Ok((orders, prepared, channel.into()))
}

fn live(orders: Orders, prepared: Prepared, channel: OwnedFd, on_failure: OnFailure) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("starting the block server: {error}");
            return ExitCode::FAILURE;
        }
    };
    let end = runtime.block_on(async {
        let reporter = Reporter::new(orders.machine.clone(), orders.image.clone());
        if let Some(url) = orders.report.clone() {
            reporter.send_to(url, Arc::clone(&prepared.client), orders.machine.mac.clone());
        }
        let worker = Worker::new(channel)?;
        let end = Survivor::new(prepared, reporter.clone(), worker)?.run().await;
        if let Err(failure) = &end {
            reporter.failed(failure.report());
        }
        reporter.finish(LAST_REPORTS).await;
        end
    });
    // Threads that wait for the kernel must not be waited for.
    runtime.shutdown_background();
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{}", failure.cause);
            give_up::act(on_failure);
            ExitCode::FAILURE
        }
    }
}

struct Survivor {
    prepared: Arc<Prepared>,
    blocks: Arc<Blocks>,
    handle: Handle,
    reporter: Reporter,
    worker: Worker,
    fetching: Fetching,
}

impl Survivor {
    fn new(prepared: Prepared, reporter: Reporter, worker: Worker) -> Result<Self, Failure> {
        let handle = Handle::new();
        let layout = (prepared.manifest.size, prepared.manifest.chunks.size);
        let blocks = Blocks::new(prepared.store.clone(), handle.clone(), layout, PATIENCE);
        let (prepared, blocks) = (Arc::new(prepared), Arc::new(blocks));
        let fetching = Fetching::new(&prepared, &handle, &reporter);
        Ok(Self { prepared, blocks, handle, reporter, worker, fetching })
    }

    /// Until the root is complete, or lost. An error is one that the system has to be told of.
    async fn run(mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut attempt = self.fetching.begin(Duration::ZERO);
        tokio::spawn(habits::follow(Arc::clone(&self.prepared), self.handle.clone()));
        let (mapped, mut serving) = match mapping::map(&self.prepared, &self.blocks).await {
            Ok(made) => made,
            Err(failure) => return self.fail(failure).await,
        };
        self.worker.tell(&Word::Ready { device: mapped.path() }).await;
        tokio::spawn(pace::keep(Arc::clone(&self.blocks), self.handle.clone()));
        let mut look = interval(LOOK);
        let mut next_word = WORTH_A_WORD;
        let complete = loop {
            tokio::select! {
                ended = &mut attempt => match fetching::outcome(ended) {
                    Ok(complete) => break complete,
                    Err(failure) if self.worker.is_there() => return self.fail(failure).await,
                    Err(failure) => {
                        warn!("{}; again in {} s", failure.cause, PAUSE.as_secs());
                        attempt = self.fetching.begin(PAUSE);
                    }
                },
                ended = &mut serving => return self.fail(disconnected(ended)).await,
                () = self.blocks.starved() => {
                    let seconds = PATIENCE.as_secs();
                    let cause = format!("a part of the root that is read has not come for {seconds} s");
                    return self.fail(Failure::new(cause).at(Step::Fetch)).await;
                }
                parting = self.worker.parting() => match parting {
                    Parting::Entered => self.entered(),
                    Parting::Left => {
                        self.close();
                        return Ok(());
                    }
                },
                _ = look.tick() => next_word = self.watch(next_word),
            }
        };
        match mapping::exchange(&self.prepared, mapped).await {
            Ok(path) => {
                self.close();
                info!("the root is complete, on {path}: nothing depends on the network any more");
                self.tell_the_end(&complete, begun.elapsed()).await;
            }
            Err(failure) => {
                // Every chunk is there: the stream never waits again.
                error!("{}: the root stays with the block server", failure.cause);
                self.reporter.event(Stage::Fetch, &failure.cause);
                return self.fail(disconnected(serving.await)).await;
            }
        }
        if self.worker.is_there()
            && let Parting::Entered = self.worker.parting().await
        {
            self.entered();
        }
        Ok(())
    }

    /// The system has taken over.
    fn entered(&self) {
        self.fetching.entered();
        let state = self.handle.state();
        let percent = u64::from(state.stored) * 100 / u64::from(state.chunks.max(1));
        let waits = self.blocks.with_trace(Trace::waits);
        info!("the system starts with {percent} % of the root; the rest follows ({waits})");
        self.reporter.event(Stage::Boot, &format!("entered with {percent} % of the root: {waits}"));
    }

    /// Says when reads have to wait for long, and gives the wait that is worth the next word.
    fn watch(&self, worth_a_word: Duration) -> Duration {
        match self.blocks.longest_wait() {
            Some(wait) if wait >= worth_a_word => {
                let (seconds, limit) = (wait.as_secs(), PATIENCE.as_secs());
                let text = format!("reads of the root wait for the network, {seconds} of at most {limit} s");
                warn!("{text}");
                self.reporter.event(Stage::Fetch, &text);
                worth_a_word * 2
            }
            Some(_) => worth_a_word,
            None => {
                if worth_a_word > WORTH_A_WORD {
                    info!("reads of the root go on");
                    self.reporter.event(Stage::Fetch, "reads of the root go on");
                }
                WORTH_A_WORD
            }
        }
    }

    async fn tell_the_end(&self, complete: &Complete, took: Duration) {
        let size = self.prepared.manifest.size;
        let waits: Waits = self.blocks.with_trace(Trace::waits);
        let (mib, account) = (size.div_ceil(1 << 20), account(complete));
        info!("{mib} MiB streamed in {:.1} s, {account}: {waits}", took.as_secs_f32());
        let text = format!("root complete ({account}), nothing depends on the network any more: {waits}");
        self.reporter.moved(Stage::Fetch, &text, Some(size));
        let order = self.blocks.with_trace(|trace| trace.order().to_vec());
        habits::tell(&self.prepared, order).await;
    }

    /// Reads fail from now on, when the device is still that of the stream.
    fn close(&self) {
        if let Err(error) = self.prepared.nbd.disconnect() {
            debug!("NBD_DISCONNECT: {error}");
        }
    }

    /// The worker deals with the failure, or else the system has to be told.
    async fn fail(&mut self, failure: Failure) -> Result<(), Failure> {
        let heard =
            self.worker.tell(&Word::Failed { step: failure.step(), cause: failure.cause.clone() }).await;
        self.close();
        if heard { Ok(()) } else { Err(failure) }
    }
}

/// The kernel asks no more, though the root is not complete.
fn disconnected(ended: Result<Result<(), BlocksError>, JoinError>) -> Failure {
    let doing = "the root's device was disconnected";
    match ended {
        Ok(Ok(())) => Failure::new(doing),
        Ok(Err(error)) => Failure::of(doing, &error),
        Err(error) => Failure::of(doing, &error),
    }
}
