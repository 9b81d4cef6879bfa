//! Boot traces, as a server gives them and as a machine posts them.

use bootwright_image::trace::{Merged, Trace, TraceReport};

/// Chunks of the root.
const CHUNKS: usize = 40;

/// A trace that passes can be merged, and what comes out passes too.
pub fn target(data: &[u8]) {
    let _ = serde_json::from_slice::<TraceReport>(data);
    let _ = serde_json::from_slice::<Merged>(data).map(|merged| merged.trace());
    let Ok(trace) = serde_json::from_slice::<Trace>(data) else { return };
    if trace.check(CHUNKS).is_ok() {
        let mut merged = Merged::new(trace.root);
        merged.take(&trace);
        assert_eq!(merged.trace(), trace);
    }
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let root = "ab".repeat(32);
    format!(r#"{{"machine":{{"mac":"52:54:00:b0:07:01"}},"root":"sha256:{root}","chunks":[3,0,39,7,8]}}"#)
        .into()
}
