//! Boot traces: what earlier machines read first is fetched first, and the next ones are told what this one read.
//!
//! Neither is trusted nor waited for: a server that has no trace, or wants none, changes nothing.

use std::sync::Arc;

use bootwright_fetch::{Handle, Retries, RetryPolicy, get_small, post_json};
use bootwright_image::trace::{MAX_TRACE, TRACE, Trace, TraceReport};
use tracing::{debug, info};

use super::prepared::Prepared;

/// Where traces go at the server that has the image.
const REPORT: &str = "/v1/trace";

/// A server that has the image has answered a moment ago.
fn retries() -> RetryPolicy {
    RetryPolicy { retries: Retries::Finite(2), ..RetryPolicy::default() }
}

/// Asks for the trace of this root, and has its chunks fetched in that order.
pub async fn follow(prepared: Arc<Prepared>, handle: Handle) {
    let Ok(url) = prepared.url.join(TRACE) else { return };
    match get_small(&prepared.client, &url, MAX_TRACE, retries(), &mut |_| ()).await {
        Ok(small) => match read(&small.bytes, &prepared) {
            Ok(trace) => {
                info!(
                    "earlier boots read {} chunks first: they are fetched in that order",
                    trace.chunks.len()
                );
                handle.prefer(trace.chunks);
            }
            Err(error) => debug!("{url}: {error}"),
        },
        Err(error) => debug!("no trace of earlier boots: {error}"),
    }
}

fn read(bytes: &[u8], prepared: &Prepared) -> Result<Trace, String> {
    let trace: Trace = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if trace.root != prepared.trusted {
        return Err(format!("a trace of the root {}", trace.root));
    }
    trace.check(prepared.manifest.chunks.sha256.len()).map_err(|error| error.to_string())?;
    Ok(trace)
}

/// Tells the server in which order the chunks were read.
pub async fn tell(prepared: &Prepared, chunks: Vec<u32>) {
    let Ok(url) = prepared.url.join(REPORT) else { return };
    let trace = Trace { root: prepared.trusted, chunks };
    let report = TraceReport { machine: prepared.machine.clone(), trace };
    let Ok(body) = serde_json::to_vec(&report) else { return };
    match post_json(&prepared.client, &url, body.into(), retries(), &mut |_| ()).await {
        Ok(_) => info!("the trace of this boot is told to {url}"),
        Err(error) => debug!("the trace of this boot: {error}"),
    }
}
