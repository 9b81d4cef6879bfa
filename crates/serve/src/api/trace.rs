//! `POST /v1/trace`: in which order a machine read its root.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use bootwright_image::trace::TraceReport;
use bootwright_netboot::Mac;
use serde::Serialize;

use super::{App, Refused};

#[derive(Serialize)]
pub struct Merged {
    image: String,
    boots: u64,
}

/// Takes a trace from whoever may report. The body is JSON whatever its type says.
pub async fn take(State(app): State<Arc<App>>, body: Bytes) -> Result<Json<Merged>, Refused> {
    let bad = |error: String| Refused(StatusCode::BAD_REQUEST, error);
    let report: TraceReport =
        serde_json::from_slice(&body).map_err(|error| bad(format!("no trace: {error}")))?;
    let mac: Mac = report.machine.mac.parse().map_err(|error| bad(format!("machine.mac: {error}")))?;
    let mac = app.recorder.machines().table().reporter(mac, report.machine.uuid.as_deref());
    if !app.scripts.rules().allows(mac) {
        let text = format!("{mac} is not on the list of allowed machines");
        return Err(Refused(StatusCode::FORBIDDEN, text));
    }
    let root = report.trace.root;
    let unknown = || Refused(StatusCode::NOT_FOUND, format!("no image has a root manifest {root}"));
    let image = app.catalogue.image_of_root(root).ok_or_else(unknown)?;
    let name = image.name().to_owned();
    let merging = tokio::task::spawn_blocking(move || app.catalogue.traces().take(&image, &report.trace));
    let merged = merging.await;
    let merged = merged.map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let boots = merged.map_err(|error| bad(error.to_string()))?;
    Ok(Json(Merged { image: name, boots }))
}
