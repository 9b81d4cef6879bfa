//! Leases that survive a restart: `leases` in the state directory, a line for each change.
//!
//! ```text
//! bootwright leases 1
//! 10.0.0.50 52:54:00:12:34:56 01525400123456 bound 1795170000 boot
//! …
//! ```
//!
//! A line counts when its newline is there; what a crash leaves behind the last newline is cut off. When
//! most lines are out of date the file is written anew and renamed into its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bootwright_netboot::dhcp::server::{Lease, Leases, MAX_ADDRESSES, State};
use rustix::fs::{FlockOperation, flock};

const HEADER: &str = "bootwright leases 1\n";
const NAME: &str = "leases";
/// A file with more lines than this, and four times as many as counted last time, is written anew.
const MIN_LINES: usize = 50_000;
/// A longer file is none that we wrote: it bounds memory while reading.
const MAX_FILE: u64 = 4 * MAX_ADDRESSES as u64 * 600;
/// How long the record of an ended lease is kept, so that a machine gets its old address again.
const REMEMBER: Duration = Duration::from_secs(90 * 24 * 3600);

/// The file, open, and locked by a file of its own: the lock must not move when the file is replaced.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    _lock: File,
    file: File,
    /// Bytes up to the last line that is durable.
    length: u64,
    lines: usize,
    /// Lines that counted when the file was last written anew.
    counted: usize,
}

/// Why leases cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another server.
    #[error("{0} is in use by another server")]
    InUse(PathBuf),
    /// Not ours.
    #[error("{0} is no file of leases: it does not begin with \"bootwright leases 1\"")]
    Foreign(PathBuf),
    /// A file system error.
    #[error("{doing} {path}")]
    Io {
        /// "reading", "writing", …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Journal {
    /// Opens or creates `leases` in the directory `state` and reads what is in it. Lines that cannot be
    /// read are named in the log and passed over: one bad line must not cost a fleet its addresses.
    pub fn open(state: &Path, now: Duration) -> Result<(Self, Leases), JournalError> {
        let path = state.join(NAME);
        let io = |doing| {
            let path = path.clone();
            move |source| JournalError::Io { doing, path, source }
        };
        fs::create_dir_all(state).map_err(io("creating the directory of"))?;
        let lock = File::create(path.with_extension("lock")).map_err(io("locking"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| JournalError::InUse(path.clone()))?;
        let mut open = OpenOptions::new();
        let file =
            open.read(true).write(true).create(true).truncate(false).open(&path).map_err(io("opening"))?;
        let mut text = String::new();
        Read::take(&file, MAX_FILE).read_to_string(&mut text).map_err(io("reading"))?;
        if !text.is_empty() && !text.starts_with(HEADER) && !HEADER.starts_with(&text) {
            return Err(JournalError::Foreign(path));
        }
        let leases = read(&text, &path);
        let mut journal = Self { path, _lock: lock, file, length: 0, lines: 0, counted: 0 };
        // Always begins with a file that holds what counts and nothing else.
        journal.rewrite(&leases, now)?;
        Ok((journal, leases))
    }

    /// Adds lines; when this returns they survive a power cut.
    pub fn append<'a>(&mut self, changes: impl Iterator<Item = &'a Lease>) -> Result<(), JournalError> {
        let (mut text, mut lines) = (Vec::new(), 0);
        for lease in changes {
            // Writing into memory does not fail.
            let _ = writeln!(text, "{lease}");
            lines += 1;
        }
        if lines == 0 {
            return Ok(());
        }
        let written = self.file.write_all_at(&text, self.length).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What is half written is written over next time, or cut off by the next start.
            let _ = self.file.set_len(self.length);
            return Err(JournalError::Io { doing: "writing", path: self.path.clone(), source });
        }
        self.length += text.len() as u64;
        self.lines += lines;
        Ok(())
    }

    /// Writes the file anew when most of its lines are out of date.
    pub fn compact_if_long(&mut self, now: Duration) -> Result<(), JournalError> {
        if self.lines < MIN_LINES || self.lines < 4 * self.counted {
            return Ok(());
        }
        let text = fs::read_to_string(&self.path);
        let text =
            text.map_err(|source| JournalError::Io { doing: "reading", path: self.path.clone(), source })?;
        self.rewrite(&read(&text, &self.path), now)
    }

    fn rewrite(&mut self, leases: &Leases, now: Duration) -> Result<(), JournalError> {
        let fresh = self.path.with_extension("new");
        let io = |doing| {
            let path = fresh.clone();
            move |source| JournalError::Io { doing, path, source }
        };
        let file = File::create(&fresh).map_err(io("creating"))?;
        let mut lines = 0;
        let mut writer = BufWriter::new(&file);
        writer.write_all(HEADER.as_bytes()).map_err(io("writing"))?;
        let oldest = now.saturating_sub(REMEMBER).as_secs();
        for lease in leases.iter().filter(|lease| lease.state != State::Offered && lease.ends >= oldest) {
            writeln!(writer, "{lease}").map_err(io("writing"))?;
            lines += 1;
        }
        writer.flush().map_err(io("writing"))?;
        drop(writer);
        file.sync_all().map_err(io("writing"))?;
        fs::rename(&fresh, &self.path).map_err(io("renaming"))?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(io("syncing the directory of"))?;
        self.length = file.metadata().map_err(io("reading"))?.len();
        (self.lines, self.counted) = (lines, lines);
        self.file = file;
        Ok(())
    }
}

fn read(text: &str, path: &Path) -> Leases {
    let mut leases = Leases::default();
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    for (number, line) in whole.split('\n').enumerate().skip(1) {
        match line.parse() {
            Ok(lease) => leases.restore(lease),
            Err(error) => tracing::warn!("{} line {}: {error}", path.display(), number + 1),
        }
    }
    leases
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_000_000);
    const LINE: &str = "10.0.0.50 52:54:00:12:34:56 01525400123456 bound 1795170000 boot";

    fn leases(state: &Path) -> Vec<String> {
        let (_, leases) = Journal::open(state, NOW).unwrap();
        let mut lines: Vec<String> = leases.iter().map(Lease::to_string).collect();
        lines.sort();
        lines
    }

    fn append(journal: &mut Journal, lines: &[&str]) {
        let changes: Vec<Lease> = lines.iter().map(|line| line.parse().unwrap()).collect();
        journal.append(changes.iter()).unwrap();
    }

    #[test]
    fn leases_survive_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let (mut journal, empty) = Journal::open(state.path(), NOW).unwrap();
        assert_eq!(empty.iter().count(), 0);
        let other = LINE.replace(".50 52:54:00", ".51 52:54:01").replace("0152", "0153");
        append(&mut journal, &[LINE, &other]);
        append(&mut journal, &[&LINE.replace("1795170000", "1795180000")]);
        drop(journal);
        assert_eq!(leases(state.path()), [LINE.replace("1795170000", "1795180000"), other]);
    }

    #[test]
    fn a_line_cut_by_a_crash_is_forgotten_and_the_next_one_is_whole() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(NAME);
        fs::write(&path, format!("{HEADER}{LINE}\n{}", &LINE[..30])).unwrap();
        let (mut journal, _) = Journal::open(state.path(), NOW).unwrap();
        append(&mut journal, &[&LINE.replace(".50", ".60").replace("0152", "0153")]);
        drop(journal);
        assert_eq!(leases(state.path()).len(), 2);
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 3);
    }

    #[test]
    fn a_damaged_line_costs_that_line_only() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(NAME), format!("{HEADER}garbage\n{LINE}\n")).unwrap();
        assert_eq!(leases(state.path()), [LINE]);
    }

    #[test]
    fn a_file_of_somebody_else_is_not_overwritten() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(NAME), "1795170000 52:54:00:12:34:56 10.0.0.50 host *\n").unwrap();
        assert!(matches!(Journal::open(state.path(), NOW), Err(JournalError::Foreign(_))));
    }

    #[test]
    fn two_servers_cannot_share_one_file() {
        let state = tempfile::tempdir().unwrap();
        let _first = Journal::open(state.path(), NOW).unwrap();
        assert!(matches!(Journal::open(state.path(), NOW), Err(JournalError::InUse(_))));
    }

    #[test]
    fn a_long_file_is_written_anew_with_what_counts() {
        let state = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(state.path(), NOW).unwrap();
        let lease: Lease = LINE.parse().unwrap();
        journal.append(vec![lease; MIN_LINES].iter()).unwrap();
        journal.compact_if_long(NOW).unwrap();
        assert_eq!(fs::read_to_string(state.path().join(NAME)).unwrap(), format!("{HEADER}{LINE}\n"));
        assert!(
            matches!(Journal::open(state.path(), NOW), Err(JournalError::InUse(_))),
            "the lock moved along"
        );
    }
}
