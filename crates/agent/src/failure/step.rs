//! The step of a boot at which a download failed, and what each source did.

use bootwright_fetch::{Cause, Error, explain};
use bootwright_image::timeline::{Step, Tried, What};

/// The failing step, and a line for each source.
pub fn of_fetch(error: &Error) -> (Step, Vec<Tried>) {
    let source = |text: String| Tried { what: What::Source, text };
    match error {
        Error::Exhausted { failures, .. }
        | Error::Corrupt { failures, .. }
        | Error::Metadata { failures, .. } => {
            let step = failures.iter().map(|failure| of_cause(&failure.cause)).max();
            let tried = failures.iter().map(|failure| source(explain(failure))).collect();
            (step.unwrap_or(Step::Fetch), tried)
        }
        Error::Transfer { failure, .. } => (of_cause(&failure.cause), vec![source(explain(&**failure))]),
        Error::Digest { .. } | Error::Torrent { .. } => (Step::Verify, vec![source(error.to_string())]),
        Error::TooLarge { .. } => (Step::Memory, vec![source(error.to_string())]),
        Error::Store { .. } => (Step::Memory, Vec::new()),
        Error::NoSource | Error::Worker(_) => (Step::Fetch, Vec::new()),
    }
}

/// In the order of a connection; of several sources, the one that got furthest says most.
fn of_cause(cause: &Cause) -> Step {
    match cause {
        Cause::Dns(_) => Step::Name,
        Cause::Connect(_) | Cause::Proxy { .. } => Step::Connect,
        Cause::Handshake(_) | Cause::Certificate(_) => Step::Tls,
        Cause::Status { .. }
        | Cause::Redirect { .. }
        | Cause::Answer(_)
        | Cause::Hearsay { .. }
        | Cause::Url(_)
        | Cause::Ftp { .. } => Step::Http,
        Cause::Size { .. }
        | Cause::Changed { .. }
        | Cause::Corrupt(_)
        | Cause::Digest(_)
        | Cause::Contradicts { .. } => Step::Verify,
        Cause::Truncated { .. } | Cause::Broken(_) | Cause::Stalled(_) | Cause::Io(_) => Step::Fetch,
        Cause::Wire(_) | Cause::Peer(_) | Cause::Metadata(_) => Step::Fetch,
    }
}
