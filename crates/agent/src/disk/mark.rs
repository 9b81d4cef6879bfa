//! The system's word that it is well: by it a root becomes a good one.
//!
//! The agent leaves a note in /run of what was booted, and a unit that runs the agent's copy once
//! `boot-complete.target` is reached: there, as systemd's boot assessment has it, hang the checks by which an owner
//! says what well means.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bootwright_formats::cache::HeaderError;
use bootwright_image::Digest;
use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::device::{Device, DeviceError};
use crate::failure::chain;
use crate::report::unit;

/// The name of this role on the command line.
pub const ROLE: &str = "cache";

/// Where the note lies; /run moves into the system.
const NOTE: &str = "/run/bootwright/cache.json";

const NAME: &str = "bootwright-cache.service";

const UNIT: &str = "\
[Unit]
Description=Remember that this image has come up
Documentation=man:systemd-bless-boot.service(8)
Requires=boot-complete.target
After=boot-complete.target multi-user.target getty.target
Before=bootwright-report.service
ConditionPathExists=/run/bootwright/cache.json

[Service]
Type=oneshot
ExecStart=/run/bootwright/agent cache good
RemainAfterExit=yes
";

/// What was booted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Note {
    /// The partition with the cache.
    pub device: String,
    /// The cache's GUID: another one there by now is not touched.
    pub cache: String,
    /// The digest of the root manifest.
    pub digest: Digest,
}

/// Why a root is not marked.
#[derive(Debug, thiserror::Error)]
enum MarkError {
    #[error("reading {NOTE}")]
    Read(#[source] io::Error),
    #[error("{NOTE} is malformed")]
    Malformed(#[source] serde_json::Error),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("{0} has no cache any more: {1}")]
    Gone(String, HeaderError),
    #[error("{0} has another cache than the one that was booted from, or another image in it")]
    Another(String),
}

impl Note {
    /// Leaves it for the system, with the unit that answers it.
    pub fn leave(&self) -> io::Result<()> {
        fs::create_dir_all("/run/bootwright")?;
        fs::write(NOTE, serde_json::to_vec(self)?)?;
        unit::copy_agent()?;
        unit::write_unit(NAME, UNIT)
    }
}

/// `agent cache good`.
pub fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    if arguments.next().as_deref() != Some("good") {
        eprintln!("bootwright-agent: usage: cache good");
        return ExitCode::from(2);
    }
    match mark(Path::new(NOTE)) {
        Ok(digest) => {
            println!("the image {} is good: it is kept as the one to fall back on", digest.short());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bootwright-agent: {}", chain(&error));
            ExitCode::from(3)
        }
    }
}

fn mark(note: &Path) -> Result<Digest, MarkError> {
    let bytes = fs::read(note).map_err(MarkError::Read)?;
    let note: Note = serde_json::from_slice(&bytes).map_err(MarkError::Malformed)?;
    let device = Arc::new(Device::open(Path::new(&note.device))?);
    let opened = Cache::open(device)?;
    let mut cache = opened.map_err(|problems| MarkError::Gone(note.device.clone(), problems.0))?;
    let known = cache.header().guid.to_string() == note.cache && cache.generation(&note.digest).is_some();
    if !known {
        return Err(MarkError::Another(note.device));
    }
    cache.change_one(&note.digest, |generation, _| {
        generation.state.good = true;
        generation.state.entered = false;
    })?;
    Ok(note.digest)
}

#[cfg(test)]
mod tests {
    use super::super::cache::tests::cache;
    use super::*;
    use bootwright_formats::cache::{Generation, State};

    #[test]
    fn the_root_that_was_booted_becomes_good_and_no_other_one() {
        let (directory, mut cache) = cache(16);
        let state = State { complete: true, good: false, entered: true };
        let generation = |name: u8| Generation {
            offset: u64::from(name) << 20,
            root: 4096,
            manifest: 1,
            state,
            entered_at: 1,
            digest: [name; 32],
        };
        cache.change(|header| header.generations.extend([1, 2].map(generation))).unwrap();
        let file = directory.path().join("note");
        let note = |guid: String| Note {
            device: cache.device().path().into(),
            cache: guid,
            digest: Digest([2; 32]),
        };
        let leave = |note: &Note| fs::write(&file, serde_json::to_vec(note).unwrap()).unwrap();
        leave(&note("another".into()));
        assert!(matches!(mark(&file), Err(MarkError::Another(_))));
        leave(&note(cache.header().guid.to_string()));
        mark(&file).unwrap();
        let now = Cache::open(Arc::clone(cache.device())).unwrap().unwrap();
        let state = |name: u8| now.generation(&Digest([name; 32])).unwrap().state;
        assert_eq!(state(2), State { complete: true, good: true, entered: false });
        assert_eq!(state(1), State { complete: true, good: false, entered: true });
    }
}
