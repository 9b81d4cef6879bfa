//! Telling the server how the boot goes: `POST /v1/report` with [`image::timeline::Report`].
//!
//! Events wait in a queue until the server is known and reachable; nothing in the boot waits for them.
//! What could not be told before the system took over lies in the [`spool`], from which a systemd unit
//! ([`mod@unit`]) tells it once the system is up, together with that very fact.
//!
//! [`image::timeline::Report`]: bootwright_image::timeline::Report

mod identity;
pub mod send;
mod spool;
pub mod unit;

use std::collections::VecDeque;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bootwright_fetch::Client;
use bootwright_image::timeline::{Event, Failed, MachineId, Progress, Report, Stage};
use bootwright_plan::proxy::Proxy;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::debug;
use url::Url;

pub use identity::{machine, uuid};
pub use spool::Spool;

use crate::log;

/// The name of this role on the command line.
pub const ROLE: &str = "report";

/// Events that wait; a boot has about a dozen. The oldest go first.
const MAX_QUEUE: usize = 256;

/// Bytes of one event's text: evidence can be long, a server's patience is not.
const MAX_TEXT: usize = 4000;

/// The first wait after a report that did not arrive; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// How often the server is told how far a download is. Five hundred machines then ask it for a hundred answers a
/// second.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// How long PID 1 gives the report of a crash.
const CRASH_LIMIT: Duration = Duration::from_secs(15);

/// How long the report that the system is up may be tried: its network may still be coming.
const SYSTEM_LIMIT: Duration = Duration::from_secs(300);

/// The reports of this boot.
#[derive(Clone)]
pub struct Reporter(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Something was added to `state`.
    changed: Notify,
    /// The queue has become empty.
    empty: Notify,
}

struct State {
    spool: Spool,
    queue: VecDeque<Event>,
    client: Option<Arc<Client>>,
    /// How far the download is, until it is told.
    progress: Option<Progress>,
    /// When that was told last.
    told: Option<Instant>,
}

impl Reporter {
    /// A reporter that does not know its server yet.
    pub fn new(machine: MachineId, image: Option<String>) -> Self {
        let spool = Spool { url: None, machine, image, proxy: None, pending: Vec::new() };
        let state = State { spool, queue: VecDeque::new(), client: None, progress: None, told: None };
        let shared = Shared { state: Mutex::new(state), changed: Notify::new(), empty: Notify::new() };
        let reporter = Self(Arc::new(shared));
        tokio::spawn(reporter.clone().run());
        reporter
    }

    /// Notes what happened.
    pub fn event(&self, stage: Stage, text: &str) {
        self.moved(stage, text, None);
    }

    /// Notes what happened, with the bytes it moved.
    pub fn moved(&self, stage: Stage, text: &str, bytes: Option<u64>) {
        self.note(happened(stage, text, bytes));
    }

    /// Notes why the boot failed, in words and in parts.
    pub fn failed(&self, failed: Failed) {
        let tried = failed.tried.iter().map(|tried| tried.text.as_str());
        let text: Vec<&str> = std::iter::once(failed.cause.as_str()).chain(tried).collect();
        let event = happened(Stage::Failure, &text.join("\n"), None);
        self.note(Event { failed: Some(Box::new(failed)), ..event });
    }

    fn note(&self, event: Event) {
        let mut state = self.state();
        if state.queue.len() == MAX_QUEUE {
            state.queue.pop_front();
        }
        state.queue.push_back(event);
        self.0.changed.notify_one();
    }

    /// Notes how far the download is: told with the next event, or after a while. Told at once when it is the end.
    pub fn progress(&self, progress: Progress) {
        let mut state = self.state();
        let ends = progress.stored == progress.total;
        state.progress = Some(progress);
        if ends {
            state.told = None;
        }
        if state.told.is_none_or(|told| told.elapsed() >= PROGRESS_INTERVAL) {
            self.0.changed.notify_one();
        }
    }

    /// Events go to `url` from now on, by `client`, as machine `mac`.
    pub fn send_to(&self, url: Url, client: Arc<Client>, mac: String) {
        let mut state = self.state();
        state.spool.url = Some(url);
        state.spool.machine.mac = mac;
        state.client = Some(client);
        self.0.changed.notify_one();
    }

    /// What the system tells goes through `proxy`.
    pub fn go_through(&self, proxy: Option<Proxy>) {
        self.state().spool.proxy = proxy;
    }

    /// The URL of reports is known, but there is no network to send them: the system shall.
    pub fn spool_for(&self, url: Url) {
        self.state().spool.url = Some(url);
    }

    /// Who tells what to whom, as of now.
    pub fn spool(&self) -> Spool {
        let state = self.state();
        Spool { pending: state.queue.iter().cloned().collect(), ..state.spool.clone() }
    }

    /// Waits for the queue to become empty, but no longer than `limit`; what is left is in the spool.
    pub async fn finish(&self, limit: Duration) -> Spool {
        let emptied = async {
            while !self.state().queue.is_empty() {
                self.0.empty.notified().await;
            }
        };
        if self.state().client.is_some() {
            let _ = timeout(limit, emptied).await;
        }
        self.spool()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self) {
        let mut wait = FIRST_WAIT;
        loop {
            let Some((client, url, report)) = self.next() else {
                self.0.empty.notify_waiters();
                self.0.changed.notified().await;
                continue;
            };
            let sent = report.events.len();
            match send::post(&client, &url, &report).await {
                Ok(()) => {
                    let mut state = self.state();
                    state.queue.drain(..sent);
                    if state.progress == report.progress {
                        state.progress = None;
                    }
                    drop(state);
                    wait = FIRST_WAIT;
                }
                Err(error) => {
                    debug!("report to {url}: {error}");
                    sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    fn next(&self) -> Option<(Arc<Client>, Url, Report)> {
        let mut state = self.state();
        let (client, url) = (state.client.clone()?, state.spool.url.clone()?);
        let events: Vec<Event> = state.queue.iter().cloned().collect();
        let due = state.told.is_none_or(|told| told.elapsed() >= PROGRESS_INTERVAL);
        if events.is_empty() && !(due && state.progress.is_some()) {
            return None;
        }
        let (machine, image) = (state.spool.machine.clone(), state.spool.image.clone());
        let report = Report { machine, image, events, progress: state.progress.clone() };
        if report.progress.is_some() {
            state.told = Some(Instant::now());
        }
        Some((client, url, report))
    }
}

/// An event of this moment; the server sets the date on arrival.
pub fn happened(stage: Stage, text: &str, bytes: Option<u64>) -> Event {
    let uptime = Some((log::uptime() * 1000.0).round() / 1000.0);
    Event { at: 0, uptime, stage, text: text.chars().take(MAX_TEXT).collect(), bytes, failed: None }
}

/// `agent report STAGE TEXT`: tells what is in the spool and this, or says why not.
pub fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let (Some(stage), Some(text)) = (arguments.next(), arguments.next()) else {
        eprintln!("bootwright-agent: usage: report STAGE TEXT");
        return ExitCode::from(2);
    };
    let Ok(stage) = serde_json::from_value::<Stage>(stage.clone().into()) else {
        eprintln!("bootwright-agent: there is no stage {stage:?}");
        return ExitCode::from(2);
    };
    match spool::tell(stage, text, SYSTEM_LIMIT) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bootwright-agent: {}", crate::failure::chain(&error));
            ExitCode::from(3)
        }
    }
}

/// PID 1 tells of a worker that died, by a process whose death does not matter either.
pub fn in_a_process_of_its_own(cause: &str) {
    let mut command = Command::new("/proc/self/exe");
    command.args([ROLE, "failure", cause]).stdin(Stdio::null()).stdout(Stdio::null());
    let Ok(mut child) = command.spawn() else { return };
    let limit = Instant::now() + CRASH_LIMIT;
    while Instant::now() < limit {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(100)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    // It is of no use any more, and PID 1 has better things to do.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_not_told_is_spooled_with_the_newest_events() {
        let reporter = Reporter::new(MachineId::default(), Some("worker".into()));
        for number in 0..MAX_QUEUE + 3 {
            reporter.event(Stage::Agent, &number.to_string());
        }
        let spool = reporter.finish(Duration::from_secs(60)).await;
        assert_eq!(spool.pending.len(), MAX_QUEUE);
        assert_eq!(spool.pending[0].text, "3");
    }
}
