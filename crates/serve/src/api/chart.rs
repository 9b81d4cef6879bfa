//! `/v1/machines/{mac}/chart.json` and `chart.svg`: a machine's latest boot over its time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bootwright_netboot::Mac;

use super::{App, Refused, fresh};
use crate::chart::{Chart, svg};

/// The picture brings its own style, loads nothing and runs nothing.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");

/// As numbers.
pub async fn json(State(app): State<Arc<App>>, Path(mac): Path<String>) -> Result<Json<Chart>, Refused> {
    chart(&app, &mac).map(Json)
}

/// As a picture.
pub async fn svg(State(app): State<Arc<App>>, Path(mac): Path<String>) -> Result<Response, Refused> {
    let mut answer = fresh("image/svg+xml", svg::draw(&chart(&app, &mac)?));
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    Ok(answer)
}

fn chart(app: &App, mac: &str) -> Result<Chart, Refused> {
    let mac: Mac = mac.parse().map_err(|error| Refused(StatusCode::BAD_REQUEST, format!("{error}")))?;
    let table = app.recorder.machines().table();
    let unknown = || Refused(StatusCode::NOT_FOUND, format!("no machine {mac} has been seen"));
    table.machine(mac).map(|machine| Chart::of(mac, machine)).ok_or_else(unknown)
}
