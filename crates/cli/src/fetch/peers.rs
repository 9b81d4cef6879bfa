//! Machines that fetch the same file: taking part in their swarm, and giving on when all is there.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use bootwright_fetch::{LocalDiscovery, PeerOptions, PeerShare, Port, Seeder};
use bootwright_image::torrent::Metainfo;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use super::done::{Sent, SourceKind};
use super::{Job, Switch};

impl Job<'_> {
    /// How we take part in the swarm; `None` when we do not. Trackers are those of `torrent`; with or without
    /// one, peers on this network are looked for, unless the torrent forbids it (BEP 27).
    pub(super) fn peers(&self, torrent: Option<&Metainfo>) -> io::Result<Option<PeerOptions>> {
        if self.options.peers == Switch::Off {
            return Ok(None);
        }
        let mut options = PeerOptions::new(Port::any(0)?, self.client.clone(), None);
        let tiers = torrent.map(|torrent| torrent.trackers.as_slice()).unwrap_or_default();
        // UDP trackers (BEP 15) are not asked.
        let urls = |tier: &Vec<String>| -> Vec<Url> {
            let urls = tier.iter().filter_map(|url| Url::parse(url).ok());
            urls.filter(|url| ["http", "https"].contains(&url.scheme())).collect()
        };
        options.trackers = tiers.iter().map(urls).filter(|tier| !tier.is_empty()).collect();
        if !torrent.is_some_and(|torrent| torrent.info.private) {
            options.local = LocalDiscovery::On;
        }
        Ok(Some(options))
    }
}

/// What came from each peer that gave anything, or anything damaged.
pub(super) fn sent(peers: &[PeerShare]) -> impl Iterator<Item = Sent> + '_ {
    let gave = peers.iter().filter(|peer| peer.received > 0 || peer.refused > 0);
    gave.map(|peer| Sent {
        source: peer.address.to_string(),
        kind: SourceKind::Peer,
        bytes: peer.received,
        refused: peer.refused,
    })
}

/// What was given to peers.
#[derive(Serialize)]
struct Given {
    uploaded: u64,
    peers: usize,
    seconds: u64,
}

/// Says that everything is there, gives to others for `time`, or until it is told to end, and leaves.
pub(super) async fn linger(seeders: Vec<Seeder>, time: Option<Duration>, json: bool) -> io::Result<()> {
    if let Some(time) = time {
        if !json {
            writeln!(io::stdout(), "complete")?;
        }
        let begun = Instant::now();
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if json {
            let status: Vec<_> = seeders.iter().map(Seeder::status).collect();
            let given = Given {
                uploaded: status.iter().map(|status| status.uploaded).sum(),
                peers: status.iter().flat_map(|status| &status.peers).filter(|peer| peer.sent > 0).count(),
                seconds: begun.elapsed().as_secs(),
            };
            writeln!(io::stdout(), "{}", serde_json::to_string(&given)?)?;
        }
    }
    for seeder in seeders {
        seeder.stop().await;
    }
    Ok(())
}
