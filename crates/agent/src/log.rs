//! The consoles and the kernel log.
//!
//! Every event goes to `/dev/kmsg`, so that `dmesg` of the running system still tells the boot, and from
//! `info` on to every console of the kernel: `/dev/console`, which is the last one of the command line and may
//! be missing, and the others that `/sys/class/tty/console/active` names. Libraries and the agent speak through `tracing`;
//! this is the subscriber, small because it has two sinks and no spans.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The kernel cuts a record of /dev/kmsg at 1024 bytes less its prefix, and refuses longer ones.
const MAX_RECORD: usize = 960;

/// The kernel's priority of an error (KERN_ERR).
const ERROR: u8 = 3;

/// How much the console shows. `/dev/kmsg` gets what the console gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// What an operator wants to read.
    Normal,
    /// `bootwright.debug`.
    Debug,
}

struct Sinks {
    consoles: Vec<File>,
    kmsg: Option<File>,
    /// The console's cursor stands behind a progress line.
    in_progress_line: bool,
}

static SINKS: Mutex<Sinks> = Mutex::new(Sinks { consoles: Vec::new(), kmsg: None, in_progress_line: false });

/// Opens the sinks and listens to `tracing` from now on. A sink that is missing is left out.
pub fn start(verbosity: Verbosity) {
    let open = |path| OpenOptions::new().write(true).open(path).ok();
    {
        let mut sinks = sinks();
        sinks.consoles = open("/dev/console").into_iter().chain(other_consoles()).collect();
        sinks.kmsg = open("/dev/kmsg");
    }
    // A second call changes nothing: the first subscriber stays.
    let _ = tracing::subscriber::set_global_default(Console { verbosity });
}

/// Writes to the kernel log alone: the consoles are the system's now.
pub fn start_in_system() {
    sinks().kmsg = OpenOptions::new().write(true).open("/dev/kmsg").ok();
    let _ = tracing::subscriber::set_global_default(Console { verbosity: Verbosity::Normal });
}

/// Writes the line of an operation under way over the one before it.
pub fn progress(text: &str) {
    let mut sinks = sinks();
    let line = format!("\r{}{text}\x1b[K", stamp());
    sinks.in_progress_line = sinks.show(&line);
}

/// Shows lines as they are, without the time before each.
pub fn screen(lines: &[String]) {
    let mut sinks = sinks();
    for line in lines {
        sinks.put(line, line, ERROR);
    }
}

/// Shows lines on the consoles alone: a picture is of no use in a log.
pub fn picture(lines: &[String]) {
    let mut sinks = sinks();
    for line in lines {
        sinks.show(&format!("{line}\r\n"));
    }
}

/// The consoles that `/dev/console` does not stand for: all but the last of the kernel's list. One that takes no
/// bytes, a serial line without its other end, must not hold the boot up: what it does not take is lost.
fn other_consoles() -> Vec<File> {
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).unwrap_or_default();
    let open =
        |name: &str| OpenOptions::new().write(true).custom_flags(flags).open(format!("/dev/{name}")).ok();
    others(&active).into_iter().filter_map(open).collect()
}

/// All but the last name of the list.
fn others(active: &str) -> Vec<&str> {
    let mut names: Vec<&str> = active.split_whitespace().collect();
    names.pop();
    names
}

impl Sinks {
    /// Whether a console has taken it.
    fn show(&mut self, text: &str) -> bool {
        // Nothing can be done about a console that does not take bytes.
        let taken = self.consoles.iter_mut().map(|console| console.write_all(text.as_bytes()).is_ok());
        taken.fold(false, |any, taken| any | taken)
    }

    fn write(&mut self, line: &str, priority: u8) {
        self.put(&format!("{}{line}", stamp()), line, priority);
    }

    /// Puts `shown` on the consoles and `line` into the kernel's log.
    fn put(&mut self, shown: &str, line: &str, priority: u8) {
        let gap = if std::mem::take(&mut self.in_progress_line) { "\r\n" } else { "" };
        let shown = self.show(&format!("{gap}{shown}\r\n"));
        if let Some(kmsg) = &mut self.kmsg {
            // What the console has shown is kept out of the kernel's own printing by its priority.
            let priority = if shown { 7 } else { priority };
            // Nothing can be done about a log that does not take lines.
            let _ = kmsg.write_all(format!("<{priority}>bootwright: {}\n", record(line)).as_bytes());
        }
    }
}

/// Seconds since the kernel started.
pub fn uptime() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn sinks() -> MutexGuard<'static, Sinks> {
    SINKS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stamp() -> String {
    format!("[{:>9.3}] bootwright: ", uptime())
}

struct Console {
    verbosity: Verbosity,
}

impl Subscriber for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("bootwright_agent");
        let level = match (self.verbosity, ours) {
            (Verbosity::Debug, true) => Level::TRACE,
            (Verbosity::Debug, false) => Level::DEBUG,
            (Verbosity::Normal, true) => Level::INFO,
            (Verbosity::Normal, false) => Level::WARN,
        };
        metadata.is_span() || *metadata.level() <= level
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let (priority, mark) = match *event.metadata().level() {
            Level::ERROR => (ERROR, "error: "),
            Level::WARN => (4, "warning: "),
            Level::INFO => (6, ""),
            Level::DEBUG | Level::TRACE => (7, ""),
        };
        let text = format!("{mark}{}{}", text.message, text.fields);
        let mut sinks = sinks();
        for line in text.lines() {
            sinks.write(line, priority);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Cuts a line to what fits into a record of the kernel log.
fn record(line: &str) -> &str {
    let mut end = line.len().min(MAX_RECORD);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.get(..end).unwrap_or_default()
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_console_stands_for_the_last_console() {
        assert_eq!(others("tty0 ttyS0\n"), ["tty0"]);
        assert_eq!(others("ttyS0\n"), [""; 0]);
        assert_eq!(others(""), [""; 0]);
    }

    #[test]
    fn a_record_ends_at_a_letter_even_when_it_is_cut() {
        assert_eq!(record("short"), "short");
        let long = "ä".repeat(MAX_RECORD);
        assert_eq!(record(&long).len(), MAX_RECORD);
        let odd = format!("x{long}");
        assert_eq!(record(&odd).len(), MAX_RECORD - 1);
    }
}
