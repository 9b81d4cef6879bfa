//! What an earlier attempt left: every chunk of it is verified before it counts. There is no state file
//! that could be wrong.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::error::Error;
use crate::layout::Layout;
use crate::options::{Notice, Observer, Progress};
use crate::store::Store;
use crate::verify::is_there;

/// Chunks that one worker looks at in one go.
const BATCH: u32 = 32;

/// Says of each chunk whether it is in the store. Makes the store as large as the file.
pub(super) async fn look(
    layout: &Arc<Layout>,
    store: &Arc<dyn Store>,
    observe: Observer<'_>,
) -> Result<Vec<bool>, Error> {
    let (size, room) = (layout.size, store.clone());
    super::blocking(move || room.resize(size)).await?.map_err(|source| Error::Store {
        what: store.name().to_owned(),
        offset: size,
        source,
    })?;
    let mut there = vec![false; layout.count() as usize];
    let mut progress = Progress { total: size, ..Progress::default() };
    let mut batches = (0..layout.count()).step_by(BATCH as usize);
    let mut workers = JoinSet::new();
    loop {
        while workers.len() < crate::verify::workers() {
            let Some(first) = batches.next() else { break };
            let (layout, store) = (layout.clone(), store.clone());
            workers.spawn_blocking(move || batch(&layout, first, &*store));
        }
        let Some(found) = workers.join_next().await else { return Ok(there) };
        for chunk in found.map_err(|died| Error::Worker(died.to_string()))?? {
            if let Some(slot) = there.get_mut(chunk as usize) {
                *slot = true;
            }
            let range = layout.range(chunk);
            progress.stored += range.end - range.start;
        }
        progress.kept = progress.stored;
        if progress.stored > 0 {
            observe(Notice::Progress(progress));
        }
    }
}

/// The chunks that are there, of those from `first` on.
fn batch(layout: &Layout, first: u32, store: &dyn Store) -> Result<Vec<u32>, Error> {
    let last = layout.count().min(first + BATCH);
    let mut there = Vec::new();
    for chunk in first..last {
        let found = is_there(layout, chunk, store).map_err(|source| Error::Store {
            what: store.name().to_owned(),
            offset: layout.range(chunk).start,
            source,
        })?;
        if found {
            there.push(chunk);
        }
    }
    Ok(there)
}
