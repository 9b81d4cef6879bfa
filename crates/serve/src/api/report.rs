//! `POST /v1/report`: what an agent has to say.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use bootwright_image::timeline::Report;
use bootwright_netboot::Mac;
use serde::Serialize;

use super::{App, Refused};
use crate::recorder::MAX_REPORTED;

/// The largest body of a request, in bytes: a report has a few events of a line each.
pub const MAX_REPORT: usize = 256 << 10;

#[derive(Serialize)]
pub struct Taken {
    events: usize,
}

/// Takes a report. The body is JSON whatever its type says: an agent is a small program.
pub async fn take(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Result<Json<Taken>, Refused> {
    let bad = |error: String| Refused(StatusCode::BAD_REQUEST, error);
    let report: Report = serde_json::from_slice(&body).map_err(|error| bad(format!("no report: {error}")))?;
    let mac: Mac = report.machine.mac.parse().map_err(|error| bad(format!("machine.mac: {error}")))?;
    if report.events.len() > MAX_REPORTED {
        return Err(bad(format!("more than {MAX_REPORTED} events: send them in several reports")));
    }
    // The agent may come up on another card than the firmware.
    let mac = app.recorder.machines().table().reporter(mac, report.machine.uuid.as_deref());
    if !app.scripts.rules().allows(mac) {
        let text = format!("{mac} is not on the list of allowed machines");
        return Err(Refused(StatusCode::FORBIDDEN, text));
    }
    Ok(Json(Taken { events: app.recorder.report(peer.ip(), mac, report) }))
}
