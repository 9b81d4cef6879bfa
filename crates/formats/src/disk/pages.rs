//! The tables of an image, read in pages and kept in bounded memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::Result;
use super::{Error, Format, Shared};

/// How much of a table is read at once: what a glance into an image costs.
const PAGE: u64 = 16 << 10;

/// How many pages a generation holds. Two are kept: 8 MiB for each open image, whatever its header says.
const GENERATION: usize = 256;

/// No entry of any table is longer: an entry that straddles two pages gets a page of its own.
const MAX_ENTRY: u64 = 16;

/// Reads tables of `bytes`.
pub(super) struct Pages {
    format: Format,
    bytes: Shared,
    kept: Mutex<[HashMap<u64, Arc<Vec<u8>>>; 2]>,
}

/// The entries of a table that lie in one page, from a certain one on.
pub(super) struct Entries {
    page: Arc<Vec<u8>>,
    skip: usize,
}

impl Entries {
    /// The bytes of the entries: at least one entry, if only whole entries are taken.
    pub(super) fn bytes(&self) -> &[u8] {
        self.page.get(self.skip..).unwrap_or_default()
    }
}

impl Pages {
    pub(super) fn new(format: Format, bytes: Shared) -> Self {
        Self { format, bytes, kept: Mutex::default() }
    }

    /// The file that the tables are in.
    pub(super) fn file(&self) -> &Shared {
        &self.bytes
    }

    /// The entries from `offset` on, of which the first has `entry` bytes.
    pub(super) fn entries(&self, offset: u64, entry: usize) -> Result<Entries> {
        let within = offset % PAGE;
        let start = if PAGE - within < MAX_ENTRY { offset } else { offset - within };
        let page = self.page(start)?;
        // Less than a page, so it fits.
        let skip = (offset - start) as usize;
        let entries = Entries { page, skip };
        if entries.bytes().len() < entry {
            let what = format!("a table's entry should be here, but the file ends at {}", self.bytes.size());
            return Err(Error::Broken { format: self.format, offset, what });
        }
        Ok(entries)
    }

    fn page(&self, start: u64) -> Result<Arc<Vec<u8>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *kept;
        if let Some(page) = young.get(&start) {
            return Ok(page.clone());
        }
        let page = match old.remove(&start) {
            Some(page) => page,
            None => Arc::new(super::field::read_up_to(&*self.bytes, start, PAGE as usize)?),
        };
        if young.len() >= GENERATION {
            *old = std::mem::take(young);
        }
        young.insert(start, page.clone());
        Ok(page)
    }
}
