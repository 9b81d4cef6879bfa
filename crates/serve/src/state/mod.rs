//! What the server knows of machines: one timeline each, from the first DHCP packet to the agent's last
//! report.
//!
//! A [`Sighting`] goes into the [`Table`], which decides whether it begins a new [`Boot`]; the
//! [`Journal`] keeps it over a restart. [`Machines`] is both behind one lock.

mod boot;
mod failure;
mod journal;
pub mod neighbours;
mod progress;
mod table;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bootwright_image::timeline::Progress;
use bootwright_netboot::Mac;

pub use boot::{Boot, Entry, Source};
pub use journal::{Journal, Loaded};
pub use progress::Gained;
pub use table::{Facts, Machine, Recorded, Sighting, Table, clean};

/// Names that files of a server's state directory begin with.
pub const STATE_FILES: [&str; 4] =
    ["machines.jsonl", "leases", crate::images::DIGESTS, crate::images::TRACES];

/// Whoever is not in the kernel's table is not looked up again for this long: a machine that fetches in
/// ranges asks thousands of times.
const STRANGER: Duration = Duration::from_secs(2);

/// Strangers that are remembered; then all are forgotten.
const MAX_STRANGERS: usize = 1024;

/// All machines, shared by every part of the server.
#[derive(Debug, Default)]
pub struct Machines {
    table: Mutex<Table>,
    strangers: Mutex<HashMap<IpAddr, Instant>>,
    journal: Mutex<Option<Journal>>,
}

impl Machines {
    /// Machines that are forgotten when the server ends.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Machines that are kept in a state directory, with what is there already.
    pub fn open(directory: &Path) -> io::Result<(Self, Loaded)> {
        let mut table = Table::default();
        let (journal, loaded) = Journal::open(directory, &mut table)?;
        let journal = Mutex::new(Some(journal));
        Ok((Self { table: Mutex::new(table), journal, ..Self::default() }, loaded))
    }

    /// The table, for reading.
    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sighting in.
    pub fn record(&self, sighting: Sighting) -> Recorded {
        self.table().record(sighting)
    }

    /// Takes in how far a machine is, see [`Table::progressed`].
    pub fn progressed(&self, mac: Mac, told: Progress) -> Option<Gained> {
        self.table().progressed(mac, told)
    }

    /// The machine that has this address, by what was seen of it or by the kernel's table.
    pub fn at(&self, address: IpAddr) -> Option<Mac> {
        let known = self.table().by_address(address);
        known.or_else(|| match address {
            IpAddr::V4(v4) => self.neighbour(v4),
            IpAddr::V6(_) => None,
        })
    }

    fn neighbour(&self, address: Ipv4Addr) -> Option<Mac> {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.get(&address.into()).is_some_and(|asked| asked.elapsed() < STRANGER) {
            return None;
        }
        let found = neighbours::mac_of(address);
        if found.is_none() {
            if strangers.len() >= MAX_STRANGERS {
                strangers.clear();
            }
            strangers.insert(address.into(), Instant::now());
        }
        found
    }

    /// Writes to disk what is not there yet. Blocks.
    pub fn save(&self) -> io::Result<()> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(journal) = journal.as_mut() else { return Ok(()) };
        let changes = self.table().take_unsaved();
        if !changes.is_empty() {
            journal.append(&changes)?;
        }
        if journal.is_large() {
            let everything = self.table().snapshot();
            journal.compact(&everything)?;
        }
        Ok(())
    }
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
