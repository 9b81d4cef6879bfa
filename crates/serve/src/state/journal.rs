//! The timelines on disk: one file, `machines.jsonl`, one line per change, so that a server that is
//! killed loses a second at most.
//!
//! A line holds the newest entries of one boot of one machine. When the file has grown, it is written
//! anew from what is remembered and renamed into place.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bootwright_netboot::Mac;
use serde::{Deserialize, Serialize};

use super::table::{Saved, Table};

/// The name of the file in the state directory.
const FILE: &str = "machines.jsonl";

/// The file is written anew when it has this many bytes, or twice what it had then: bounds the disk
/// space and the time to start.
const COMPACT: u64 = 32 << 20;

/// Longest line that is read: a boot with as many entries as are kept.
const MAX_LINE: u64 = 1 << 20;

/// The journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    mac: String,
    #[serde(flatten)]
    saved: Saved,
}

/// What was found in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Lines that made sense.
    pub lines: usize,
    /// Lines that did not: the last one, when the server was killed in mid-write, or damage.
    pub damaged: usize,
}

impl Journal {
    /// Opens or makes the journal in `directory` and fills `table` from it.
    pub fn open(directory: &Path, table: &mut Table) -> io::Result<(Self, Loaded)> {
        let path = directory.join(FILE);
        let loaded = match File::open(&path) {
            Ok(file) => load(BufReader::new(file), table)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Loaded::default(),
            Err(error) => return Err(error),
        };
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let size = file.metadata()?.len();
        if loaded.damaged > 0 {
            // Whatever was torn must not swallow the next line.
            file.write_all(b"\n")?;
        }
        Ok((Self { path, file, size, limit: COMPACT.max(2 * size) }, loaded))
    }

    /// Appends what changed.
    pub(super) fn append(&mut self, changes: &[(Mac, Saved)]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (mac, saved) in changes {
            write_line(&mut bytes, *mac, saved)?;
        }
        self.file.write_all(&bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Whether it is time to [compact](Self::compact).
    pub fn is_large(&self) -> bool {
        self.size > self.limit
    }

    /// Writes the file anew with everything that is remembered.
    pub(super) fn compact(&mut self, everything: &[(Mac, Saved)]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut writer = BufWriter::new(File::create(&new)?);
        for (mac, saved) in everything {
            write_line(&mut writer, *mac, saved)?;
        }
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.size = self.file.metadata()?.len();
        self.limit = COMPACT.max(2 * self.size);
        Ok(())
    }
}

fn write_line(writer: &mut impl io::Write, mac: Mac, saved: &Saved) -> io::Result<()> {
    let line = Line { mac: mac.to_string(), saved: saved.clone() };
    serde_json::to_writer(&mut *writer, &line)?;
    writer.write_all(b"\n")
}

fn load(mut reader: impl io::BufRead, table: &mut Table) -> io::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(loaded);
        }
        if line == b"\n" {
            continue;
        }
        let whole = line.ends_with(b"\n");
        match serde_json::from_slice::<Line>(&line).map(|line| (line.mac.parse(), line.saved)) {
            Ok((Ok(mac), saved)) if whole => {
                table.restore(mac, saved);
                loaded.lines += 1;
            }
            _ => loaded.damaged += 1,
        }
    }
}
