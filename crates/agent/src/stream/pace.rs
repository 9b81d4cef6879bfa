//! When what nobody waits for is fetched: not while the system starts.
//!
//! What it reads comes one read after the other. The rest of the root would share the link with that, and take the
//! processors, which verify it, from a system that needs them to start. So the rest waits for a pause in the reads.

use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::Handle;
use tokio::time::{Instant, interval};
use tracing::debug;

use super::blocks::Blocks;

/// Reads that come so soon after each other are those of a system that starts: it reads little that is not in its memory
/// yet, and computes for seconds in between where the processor is slow.
const PAUSE: Duration = Duration::from_secs(10);

/// A system that still reads after so long does not start any more: then the rest comes beside its reads.
const LONGEST: Duration = Duration::from_secs(120);

/// How often it is looked whether reads come.
const LOOK: Duration = Duration::from_millis(250);

/// Keeps the rest of the download of `handle` from the reads of `blocks`, for as long as a system may take to start.
pub async fn keep(blocks: Arc<Blocks>, handle: Handle) {
    let begun = Instant::now();
    let mut look = interval(LOOK);
    while begun.elapsed() < LONGEST {
        look.tick().await;
        handle.hold(blocks.idle().is_none_or(|idle| idle < PAUSE));
    }
    debug!("the rest of the root is fetched beside what is read");
    handle.hold(false);
}

#[cfg(test)]
mod tests {
    use bootwright_fetch::FileStore;
    use tokio::task::yield_now;
    use tokio::time::advance;

    use super::*;

    /// So much later, a look at a time.
    async fn later(time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            advance(LOOK).await;
            yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_waits_for_a_pause_in_the_reads_and_not_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(FileStore::in_place(&directory.path().join("root.img")).unwrap());
        let handle = Handle::new();
        let blocks = Arc::new(Blocks::new(store, handle.clone(), (1 << 20, 4096), LONGEST));
        let begun = Instant::now();
        tokio::spawn(keep(Arc::clone(&blocks), handle.clone()));
        later(PAUSE * 2).await;
        assert!(handle.state().held, "nothing has been read yet");
        blocks.note(&(0..512));
        later(PAUSE - LOOK).await;
        assert!(handle.state().held);
        later(LOOK * 2).await;
        assert!(!handle.state().held, "a pause");
        while begun.elapsed() < LONGEST {
            blocks.note(&(0..512));
            later(LOOK).await;
            assert!(handle.state().held || begun.elapsed() >= LONGEST);
        }
        later(LOOK * 2).await;
        assert!(!handle.state().held, "a system that starts no more");
    }
}
