//! What a monitoring system wants to know, in the text format of OpenMetrics 1.0, at `/metrics`.
//!
//! Counters are kept by whoever serves; gauges are read from the state of the server when it is asked. What
//! machines say of themselves is counted as they say it: anybody can claim anything.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use bootwright_image::timeline::Stage;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::api::App;
use crate::state::Gained;

/// The media type of the answer.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How something was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct From {
    from: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeersOf {
    image: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfImage {
    image: String,
}

/// Senders of damaged chunks that have a sum of their own: names come from outside, and each takes memory for ever.
const MAX_SENDERS: usize = 256;

/// What is counted while the server runs.
#[derive(Debug, Default)]
pub struct Metrics {
    sent: Family<By, Counter>,
    requests: Family<By, Counter>,
    failed: Family<By, Counter>,
    fetched: Family<From, Counter>,
    refused: Family<From, Counter>,
    senders: Mutex<BTreeSet<String>>,
}

impl Metrics {
    /// A transfer by HTTP or TFTP has ended.
    pub fn transferred(&self, stage: Stage, bytes: u64, whole: bool) {
        let by = By { by: if stage == Stage::Tftp { "tftp" } else { "http" } };
        self.sent.get_or_create(&by).inc_by(bytes);
        self.requests.get_or_create(&by).inc();
        if !whole {
            self.failed.get_or_create(&by).inc();
        }
    }

    /// A machine says that it has got further.
    pub fn gained(&self, gained: &Gained) {
        for (from, bytes) in [("mirrors", gained.mirrors), ("peers", gained.peers)] {
            self.fetched.get_or_create(&From { from: from.into() }).inc_by(bytes);
        }
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, chunks) in &gained.refused {
            let known = senders.contains(name) || senders.len() < MAX_SENDERS && senders.insert(name.clone());
            let from = if known { name.clone() } else { "others".into() };
            self.refused.get_or_create(&From { from }).inc_by(u64::from(*chunks));
        }
    }

    /// The text for whoever asks.
    pub fn text(&self, app: &App) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("bootwright");
        let sent = "Bytes of files sent to machines";
        let seeders = app.swarms.seeders();
        let to_peers = self.sent.get_or_create(&By { by: "peers" });
        let uploaded = seeders.iter().fold(0u64, |sum, (_, status)| sum.saturating_add(status.uploaded));
        // Seeders of images that are gone are not counted any more: what was sent stays sent.
        to_peers.inc_by(uploaded.saturating_sub(to_peers.get()));
        drop(to_peers);
        registry.register_with_unit("sent", sent, Unit::Bytes, self.sent.clone());
        registry.register("requests", "Transfers that were asked for", self.requests.clone());
        registry.register("failed_requests", "Transfers that broke off", self.failed.clone());
        let fetched = "Verified bytes that machines have fetched, as they say";
        registry.register_with_unit("machines_fetched", fetched, Unit::Bytes, self.fetched.clone());
        let refused = "Damaged chunks that machines have refused, by who sent them, as they say";
        registry.register("refused_chunks", refused, self.refused.clone());
        machines(&mut registry, app);
        swarms(&mut registry, app);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

fn machines(registry: &mut Registry, app: &App) {
    let (boots, states) = (Counter::<u64, AtomicU64>::default(), Family::<InState, Gauge>::default());
    for (_, machine) in app.recorder.machines().table().machines() {
        boots.inc_by(machine.boots_seen.into());
        let state = match machine.boot.entries.last().map(|entry| entry.event.stage) {
            Some(Stage::System) => "up",
            Some(Stage::Failure) => "failed",
            _ => "boots",
        };
        states.get_or_create(&InState { state }).inc();
    }
    registry.register("boots", "Boots of all machines that are known", boots);
    registry.register("machines", "Machines, by how their latest boot stands", states);
}

fn swarms(registry: &mut Registry, app: &App) {
    let (peers, left) = (Family::<PeersOf, Gauge>::default(), Family::<OfImage, Gauge>::default());
    let completed = Family::<OfImage, Counter>::default();
    for swarm in app.swarms.glance() {
        let image = swarm.file.image;
        for (state, count) in [("complete", swarm.complete), ("incomplete", swarm.incomplete)] {
            let peers = peers.get_or_create(&PeersOf { image: image.clone(), state });
            peers.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let wanted = swarm.peers.iter().fold(0u64, |sum, (_, peer)| sum.saturating_add(peer.left));
        let of = OfImage { image };
        left.get_or_create(&of).set(i64::try_from(wanted).unwrap_or(i64::MAX));
        completed.get_or_create(&of).inc_by(swarm.downloaded);
    }
    registry.register("peers", "BitTorrent peers, by whether they have everything", peers);
    let help = "Bytes that the peers of an image still want, as they say";
    registry.register_with_unit("peers_left", help, Unit::Bytes, left);
    registry.register("peers_completed", "Peers that said that they became complete", completed);
}
