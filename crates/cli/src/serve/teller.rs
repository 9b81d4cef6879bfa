//! Lines for the operator. Whoever has something to say must not wait for a slow terminal, so a thread of
//! its own prints.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bootwright_serve::{Level, Notice};
use tracing_subscriber::EnvFilter;

/// Lines that wait to be printed: what comes when the terminal stands still for longer is counted, not
/// kept.
const QUEUE: usize = 4096;

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// For people.
    Lines,
    /// For programs.
    Json,
}

type Queue = Arc<Mutex<Option<SyncSender<Notice>>>>;

/// Lines that wait for a printer.
pub(super) struct Teller {
    output: Output,
    queue: Queue,
    lines: Receiver<Notice>,
    lost: Arc<AtomicU64>,
}

/// The thread that prints.
pub(super) struct Printer {
    queue: Queue,
    thread: JoinHandle<()>,
}

impl Teller {
    /// The teller and the function to tell it something.
    pub(super) fn new(output: Output) -> (Self, Box<bootwright_serve::Tell>) {
        let (sender, lines) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(Some(sender)));
        let lost = Arc::new(AtomicU64::new(0));
        let (into, counter) = (Arc::clone(&queue), Arc::clone(&lost));
        let tell = move |notice: &Notice| {
            let queue = into.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(queue) = queue.as_ref()
                && let Err(TrySendError::Full(_)) = queue.try_send(notice.clone())
            {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        (Self { output, queue, lines, lost }, Box::new(tell))
    }

    /// Begins to print.
    pub(super) fn start(self) -> Printer {
        let Self { output, queue, lines, lost } = self;
        let thread = std::thread::spawn(move || {
            let style = Style::of(output);
            for notice in lines {
                let missing = lost.swap(0, Ordering::Relaxed);
                if missing > 0 {
                    tracing::warn!("{missing} lines were not printed: the output is too slow");
                }
                // A closed output ends the printing, not the server.
                if writeln!(stdout(), "{}", style.line(&notice)).is_err() {
                    return;
                }
            }
        });
        Printer { queue, thread }
    }
}

impl Printer {
    /// Prints what waits, then ends.
    pub(super) fn finish(self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.thread.join().is_err() {
            tracing::error!("printing has panicked");
        }
    }
}

struct Style {
    output: Output,
    clock: bool,
    colour: bool,
}

impl Style {
    fn of(output: Output) -> Self {
        let terminal = stdout().is_terminal();
        // A log has times of its own.
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { output, clock: terminal, colour: terminal && !no_colour }
    }

    fn line(&self, notice: &Notice) -> String {
        if self.output == Output::Json {
            // A notice is made of text and numbers: writing it cannot fail.
            return serde_json::to_string(notice).unwrap_or_default();
        }
        let second = notice.at / 1000;
        let clock = match self.clock {
            true => format!("{:02}:{:02}:{:02}Z ", second / 3600 % 24, second / 60 % 60, second % 60),
            false => String::new(),
        };
        match notice.level {
            Level::Warning if self.colour => format!("{clock}\x1b[33m{notice}\x1b[0m"),
            Level::Warning => format!("{clock}warning: {notice}"),
            Level::Info => format!("{clock}{notice}"),
        }
    }
}

/// What the server has to say of itself, beside its events: RUST_LOG=debug shows all.
pub(super) fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Another one may be there already.
    let _ = subscriber.with_target(false).try_init();
}
