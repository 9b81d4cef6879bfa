//! The task that asks trackers, as long as a swarm lives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bootwright_image::torrent::InfoHash;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

use crate::error::{Cause, Failure};
use crate::http::Client;
use crate::options::Notice;
use crate::retry::{Backoff, Retries, RetryPolicy};
use crate::small::get_small;
use crate::swarm::announce::{Announce, Answer, MAX_ANSWER, Occasion};
use crate::swarm::udp;

/// How long the word of leaving may take.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// What the tracker is told of our transfers.
#[derive(Default)]
pub(super) struct Accounts {
    pub(super) uploaded: AtomicU64,
    pub(super) downloaded: AtomicU64,
    pub(super) left: AtomicU64,
}

/// What the hub tells the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The last byte is there.
    Completed,
    /// Peers are wanted before the interval is over.
    Hungry,
    /// The swarm is left.
    Stop,
}

/// What the task tells the hub.
pub(super) enum News {
    /// Addresses of peers.
    Peers(Vec<SocketAddr>),
    /// No tracker answers.
    Failed(Failure),
}

pub(super) struct Introducer {
    pub(super) client: Arc<Client>,
    pub(super) tiers: Vec<Vec<Url>>,
    pub(super) info_hash: InfoHash,
    pub(super) peer_id: [u8; 20],
    pub(super) port: u16,
    pub(super) accounts: Arc<Accounts>,
    pub(super) news: mpsc::Sender<News>,
}

impl Introducer {
    /// Announces until it is told to stop or the hub is gone.
    pub(super) async fn run(mut self, mut words: mpsc::Receiver<Word>) {
        self.tiers.iter_mut().for_each(|tier| fastrand::shuffle(tier));
        let mut random = fastrand::Rng::new();
        let (mut occasion, mut failures) = (Occasion::Started, 0);
        loop {
            let asked = Instant::now();
            let (due, least) = match self.announce(occasion).await {
                Ok(answer) => {
                    failures = 0;
                    occasion = Occasion::Regular;
                    if self.news.send(News::Peers(answer.peers)).await.is_err() {
                        return;
                    }
                    // A fleet that was switched on together does not come back together.
                    let due = answer.interval.mul_f64(0.9 + 0.2 * random.f64());
                    (asked + due.max(answer.least), asked + answer.least)
                }
                Err(failure) => {
                    failures += 1;
                    let wait = Backoff::default().wait(failures, retry_after(&failure), &mut random);
                    if self.news.send(News::Failed(failure)).await.is_err() {
                        return;
                    }
                    (asked + wait, asked + wait)
                }
            };
            match wait(due, least, &mut words).await {
                None => {}
                Some(Word::Stop) => break,
                Some(Word::Completed) if occasion == Occasion::Regular => occasion = Occasion::Completed,
                Some(_) => {}
            }
        }
        let _ = timeout(FAREWELL, self.announce(Occasion::Stopped)).await;
    }

    /// Asks tier after tier until one answers; who answers is asked first next time (BEP 12).
    async fn announce(&mut self, occasion: Occasion) -> Result<Answer, Failure> {
        let announce = Announce {
            info_hash: self.info_hash,
            peer_id: self.peer_id,
            port: self.port,
            uploaded: self.accounts.uploaded.load(Ordering::Relaxed),
            downloaded: self.accounts.downloaded.load(Ordering::Relaxed),
            left: self.accounts.left.load(Ordering::Relaxed),
            occasion,
        };
        let mut last = Failure::of("tracker", Cause::Url("there is none".into()));
        for tier in &mut self.tiers {
            for at in 0..tier.len() {
                let Some(tracker) = tier.get(at) else { continue };
                match ask(&self.client, tracker, &announce).await {
                    Ok(answer) => {
                        if let Some(front) = tier.get_mut(..=at) {
                            front.rotate_right(1);
                        }
                        return Ok(answer);
                    }
                    Err(failure) => last = Failure { source_name: tracker.as_str().into(), ..failure },
                }
            }
        }
        Err(last)
    }
}

fn retry_after(failure: &Failure) -> Option<Duration> {
    match failure.fault() {
        crate::error::Fault::Transient { retry_after } => retry_after,
        crate::error::Fault::Permanent => None,
    }
}

async fn ask(client: &Arc<Client>, tracker: &Url, announce: &Announce) -> Result<Answer, Failure> {
    if tracker.scheme() == "udp" {
        return ask_by_udp(client, tracker, announce)
            .await
            .map_err(|cause| Failure::of(tracker.as_str(), cause));
    }
    let url = &announce.url(tracker);
    let once = RetryPolicy { retries: Retries::Finite(0), ..RetryPolicy::default() };
    match get_small(client, url, MAX_ANSWER, once, &mut |_: Notice<'_>| ()).await {
        Ok(small) => Answer::read(&small.bytes)
            .map_err(|error| Failure::of(url.as_str(), Cause::Answer(error.to_string()))),
        Err(crate::Error::Transfer { failure, .. }) => Err(*failure),
        Err(other) => Err(Failure::of(url.as_str(), Cause::Answer(crate::explain(&other)))),
    }
}

async fn ask_by_udp(client: &Client, tracker: &Url, announce: &Announce) -> Result<Answer, Cause> {
    let place = tracker.host_str().zip(tracker.port());
    let (host, port) = place.ok_or_else(|| Cause::Url("a UDP tracker needs a host and a port".into()))?;
    udp::ask(&client.resolve(host, port).await.map_err(Cause::Dns)?, announce).await
}

/// Waits for the next announce; the word that cut it short.
async fn wait(due: Instant, least: Instant, words: &mut mpsc::Receiver<Word>) -> Option<Word> {
    let word = tokio::select! {
        () = sleep_until(due) => return None,
        word = words.recv() => word.unwrap_or(Word::Stop),
    };
    if word == Word::Hungry {
        tokio::select! {
            () = sleep_until(least) => {}
            // Better news than hunger.
            Some(word) = words.recv() => return Some(word),
        }
    }
    Some(word)
}
