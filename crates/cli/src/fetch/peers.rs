//! Machines that fetch the same file: taking part in their swarm, and giving on when all is there.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bootwright_fetch::{LocalDiscovery, PeerOptions, PeerShare, Port, Seeder};
use bootwright_image::torrent::Metainfo;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use super::done::{Sent, SourceKind};
use super::{Job, Local, Switch};

/// Where peers of a file may be met.
#[derive(Default)]
pub(super) struct Meeting {
    /// Announce URLs, in tiers.
    pub(super) trackers: Vec<Vec<String>>,
    /// Peers that are known already.
    pub(super) peers: Vec<SocketAddr>,
    /// By the trackers alone (BEP 27).
    pub(super) private: bool,
}

impl Meeting {
    /// As a torrent says.
    pub(super) fn of(torrent: &Metainfo) -> Self {
        Self { trackers: torrent.trackers.clone(), peers: Vec::new(), private: torrent.info.private }
    }
}

impl Job<'_> {
    /// How we take part in the swarm; `None` when we do not.
    pub(super) fn peers(&self, meeting: &Meeting) -> io::Result<Option<PeerOptions>> {
        if self.options.peers == Switch::Off {
            return Ok(None);
        }
        let mut options = PeerOptions::new(Port::any(0)?, self.client.clone(), None);
        let urls = |tier: &Vec<String>| -> Vec<Url> {
            let urls = tier.iter().filter_map(|url| Url::parse(url).ok());
            urls.filter(|url| ["http", "https", "udp"].contains(&url.scheme())).collect()
        };
        options.trackers = meeting.trackers.iter().map(urls).filter(|tier| !tier.is_empty()).collect();
        options.peers = meeting.peers.clone();
        let wanted = match self.options.local_discovery {
            // Who has a tracker needs no multicast.
            Local::Auto => options.trackers.is_empty() && options.peers.is_empty(),
            Local::On => true,
            Local::Off => false,
        };
        if wanted && !meeting.private {
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
