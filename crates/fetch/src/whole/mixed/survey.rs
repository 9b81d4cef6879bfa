//! Which mirrors can be mixed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use crate::error::{Cause, Failure, Fault};
use crate::options::{Notice, Observer};
use crate::schedule::Ranges;
use crate::source::{Looked, Mirror};

/// Once one has answered, others have so long: who needs longer is no help.
const GRACE: Duration = Duration::from_secs(2);

/// Mirrors of one file.
pub(super) struct Survey {
    /// Bytes of the file.
    pub(super) size: u64,
    /// At least two of the mirrors, by their place in the list.
    pub(super) usable: Vec<usize>,
}

/// Asks all of `mirrors` what they have. The size that most of them state counts, or else the first one's; the others
/// are told of and left out. `None` when there are no two that agree.
pub(super) async fn survey(mirrors: &[Arc<dyn Mirror>], observe: Observer<'_>) -> Option<Survey> {
    let mut answers = ask(mirrors, observe).await;
    answers.sort_by_key(|(at, _)| *at);
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    answers.iter().for_each(|(_, size)| *votes.entry(*size).or_default() += 1);
    let most = votes.values().copied().max()?;
    let size = answers.iter().map(|(_, size)| *size).find(|size| votes.get(size) == Some(&most))?;
    for (at, found) in answers.iter().filter(|(_, found)| *found != size) {
        let name = mirrors.get(*at).map_or("", |mirror| mirror.name());
        let failure = Failure::of(name, Cause::Size { wanted: size, found: *found });
        observe(Notice::Failed { failure: &failure, retry_in: None });
    }
    let usable: Vec<usize> = answers.iter().filter(|(_, found)| *found == size).map(|(at, _)| *at).collect();
    (usable.len() > 1 && size > 0).then_some(Survey { size, usable })
}

/// The sizes of those that send parts and say how much there is.
async fn ask(mirrors: &[Arc<dyn Mirror>], observe: Observer<'_>) -> Vec<(usize, u64)> {
    let asking = mirrors.iter().enumerate().map(|(at, mirror)| async move { (at, mirror.look().await) });
    let mut asking: FuturesUnordered<_> = asking.collect();
    let mut answers = Vec::new();
    let mut until: Option<Instant> = None;
    loop {
        let next = match until {
            Some(until) => timeout_at(until, asking.next()).await.unwrap_or(None),
            None => asking.next().await,
        };
        match next {
            None => return answers,
            Some((at, Ok(Looked { size: Some(size), ranges: Ranges::Honoured }))) => {
                answers.push((at, size));
                until.get_or_insert_with(|| Instant::now() + GRACE);
            }
            // It has the file, and cannot be mixed with others.
            Some((_, Ok(_))) => {}
            Some((_, Err(failure))) => {
                let retry_in = matches!(failure.fault(), Fault::Transient { .. }).then_some(Duration::ZERO);
                observe(Notice::Failed { failure: &failure, retry_in });
            }
        }
    }
}
