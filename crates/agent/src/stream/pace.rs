//! When what nobody waits for is fetched: not while the system starts.
//!
//! What it reads comes one read after the other. The rest of the root would share the link with that, and take the
//! processors, which verify it, from a system that needs them to start. So the rest waits for a pause in the reads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bootwright_fetch::Handle;
use tokio::time::interval;
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
