//! `/announce` and `/scrape`, the tracker; `/v1/swarms`, who has how much.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;

/// Answers `/announce`. Every answer has status 200: what is wrong is told in bencoding (BEP 3).
pub async fn announce(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
) -> Response {
    bencoded(app.swarms.announce(peer.ip(), query.as_deref().unwrap_or_default()))
}

/// Answers `/scrape` (BEP 48).
pub async fn scrape(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    bencoded(app.swarms.scrape(query.as_deref().unwrap_or_default()))
}

fn bencoded(answer: Vec<u8>) -> Response {
    let fields = [(header::CONTENT_TYPE, "text/plain"), (header::CACHE_CONTROL, "no-store")];
    (fields, answer).into_response()
}

/// The swarm of one image.
#[derive(Debug, Serialize)]
pub struct Swarm {
    image: String,
    info_hash: String,
    size: u64,
    complete: usize,
    incomplete: usize,
    downloaded: u64,
    /// Bytes that this server has given to peers.
    seeded: u64,
    peers: Vec<Peer>,
}

/// A machine in it.
#[derive(Debug, Serialize)]
struct Peer {
    address: SocketAddr,
    /// The machine at that address, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    left: u64,
    downloaded: u64,
    uploaded: u64,
}

/// Answers `/v1/swarms`.
pub async fn swarms(State(app): State<Arc<App>>) -> Json<Vec<Swarm>> {
    let mac = |ip: IpAddr| app.recorder.machines().at(ip).map(|mac| mac.to_string());
    let seeders: HashMap<_, _> = app.swarms.seeders().into_iter().collect();
    let swarm = |glance: crate::tracker::Glance| Swarm {
        seeded: seeders.get(&glance.file.image).map_or(0, |status| status.uploaded),
        image: glance.file.image,
        info_hash: glance.file.info_hash.to_string(),
        size: glance.file.size,
        complete: glance.complete,
        incomplete: glance.incomplete,
        downloaded: glance.downloaded,
        peers: glance
            .peers
            .into_iter()
            .map(|(address, peer)| Peer {
                address,
                mac: mac(address.ip()),
                left: peer.left,
                downloaded: peer.downloaded,
                uploaded: peer.uploaded,
            })
            .collect(),
    };
    Json(app.swarms.glance().into_iter().map(swarm).collect())
}
